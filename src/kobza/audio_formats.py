"""The formats of recordings: what FFmpeg reads here, by extension and by demuxer, and what nobody can decode."""

# Which files of a folder are treated as music. Of a video, the sound is indexed.
AUDIO_EXTENSIONS = frozenset(
    "." + name
    for name in (
        *("mp3", "mp2", "mp1", "mpga", "flac", "ogg", "oga", "ogx", "opus", "spx", "m4a", "m4b", "m4p", "m4r", "alac"),
        *("aac", "adts", "wav", "wave", "bwf", "rf64", "w64", "aif", "aiff", "aifc", "caf", "au", "snd", "voc"),
        *("wma", "asf", "ape", "wv", "tta", "tak", "shn", "mpc", "mp+", "mpp", "dsf", "dff", "qoa"),
        *("ac3", "eac3", "ec3", "dts", "dtshd", "thd", "mlp", "amr", "3ga", "oma", "aa3", "ra"),
        *("mka", "weba", "webm", "mkv", "mp4", "m4v", "mov", "3gp", "3g2", "ogv", "ogm", "wmv", "avi", "flv"),
    )
)
# FFmpeg also reads playlists, subtitles and scripts, some of which open further files or URLs. Only containers of sound
# are allowed, by the names of FFmpeg's demuxers.
DEMUXERS = (
    "mp3,flac,ogg,mov,mp4,m4a,aac,wav,w64,aiff,asf,ape,wv,tta,matroska,webm,caf,au,"
    "voc,tak,shn,mpc,mpc8,dsf,iff,qoa,ac3,eac3,dts,dtshd,truehd,mlp,amr,oma,rm,avi,flv"
)
# The headers of these formats state the length (for others FFmpeg estimates it), so a truncated file can be told from a
# short one; of a truncated wav or wma FFmpeg reports only what is left.
FORMATS_WITH_LENGTH = {"flac", "wav", "aiff", "asf", "mov,mp4,m4a,3gp,3g2,mj2"}
SCORE = "a score without sound"
MODULE = "a tracker module"
CHIP = "a program for a game console's sound chip"
PROTECTED = "protected against copying"
# Music that cannot be decoded here, and what it is
UNSUPPORTED_EXTENSIONS = {
    **dict.fromkeys((".mid", ".midi", ".kar", ".rmi", ".mus", ".mscz", ".musicxml", ".gp5", ".gpx"), SCORE),
    **dict.fromkeys((".mod", ".xm", ".it", ".s3m", ".mtm", ".stm", ".umx", ".mptm", ".mo3"), MODULE),
    **dict.fromkeys((".sid", ".nsf", ".nsfe", ".spc", ".vgm", ".vgz", ".gbs", ".psf", ".minipsf"), CHIP),
    **dict.fromkeys((".aa", ".aax", ".aaxc"), PROTECTED),
    **dict.fromkeys((".ofr", ".ofs", ".la", ".pac", ".mqa", ".als"), "a format that FFmpeg lacks"),
}
UNSUPPORTED_SIGNATURES = {
    b"MThd": SCORE,
    b"Extended Module: ": MODULE,
    b"IMPM": MODULE,
    b"PSID": CHIP,
    b"RSID": CHIP,
    b"NESM\x1a": CHIP,
    b"SNES-SPC700": CHIP,
}


def unsupported_format(extension: str, start: bytes) -> str | None:
    """What a file is that FFmpeg refused, if it is music of a kind that cannot be decoded; None if it is not.

    >>> unsupported_format(".mod", b""), unsupported_format(".wav", b"MThd")
    ('a tracker module', 'a score without sound')
    """
    for signature, kind in UNSUPPORTED_SIGNATURES.items():
        if start.startswith(signature):
            return kind
    return UNSUPPORTED_EXTENSIONS.get(extension)
