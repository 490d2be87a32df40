"""The names of tags in each format, by `Track`'s fields; "date" is what has a year."""

# Names as Vorbis comments, APEv2, Matroska and FFmpeg have them, in lower case without "_" and spaces
NAMES = {
    "title": ("title", "titl", "nam"),
    "artist": ("artist", "author", "auth", "performer"),
    "album": ("album",),
    "genre": ("genre",),
    "date": ("date", "year", "datereleased", "daterecorded", "originaldate", "originalyear", "originationdate"),
    "album_artist": ("albumartist", "ensemble"),
    "composer": ("composer", "imus"),
    "comment": ("comment", "description", "comments"),
    "track_number": ("tracknumber", "track", "partnumber", "trck", "trkn"),
    "bpm": ("bpm", "tempo", "tbpm", "tmpo"),
    "key": ("initialkey", "key", "tkey", "keysignature"),
}
ID3_FRAMES = {
    "title": ("TIT2",),
    "artist": ("TPE1",),
    "album": ("TALB",),
    "genre": ("TCON",),
    "date": ("TDRC", "TYER", "TDRL", "TDOR", "TORY"),
    "album_artist": ("TPE2",),
    "composer": ("TCOM",),
    "comment": ("COMM",),
    "track_number": ("TRCK",),
    "bpm": ("TBPM",),
    "key": ("TKEY",),
}
MP4_ATOMS = {
    "title": ("©nam",),
    "artist": ("©ART",),
    "album": ("©alb",),
    "genre": ("©gen",),
    "date": ("©day",),
    "album_artist": ("aART",),
    "composer": ("©wrt",),
    "comment": ("©cmt", "desc"),
    "track_number": ("trkn",),
    "bpm": ("tmpo",),
}
ASF_NAMES = {
    "title": ("Title",),
    "artist": ("Author", "WM/AlbumArtistSortOrder"),
    "album": ("WM/AlbumTitle",),
    "genre": ("WM/Genre",),
    "date": ("WM/Year", "WM/OriginalReleaseYear"),
    "album_artist": ("WM/AlbumArtist",),
    "composer": ("WM/Composer",),
    "comment": ("Description",),
    "track_number": ("WM/TrackNumber",),
    "bpm": ("WM/BeatsPerMinute",),
    "key": ("WM/InitialKey",),
}
