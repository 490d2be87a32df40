"""Keyword rules that map free text to AudioSet labels.

They complete the labels of MusicCaps, which name only the two or three sounds that a clip was chosen for, and read search
queries. A label's pattern is a list of regular expressions between `|`, matched in lower case at word boundaries. A
negated keyword ("no drums", "without piano") does not match.
"""

# ruff: noqa: E501  (one label a line)
import re

KEYWORD_PATTERNS = {
    "Piano": r"piano|pianist|grand piano|upright piano",
    "Electric piano": r"e-?piano|electric piano|rhodes|wurlitzer",
    "Organ": r"organ|hammond|church organ",
    "Hammond organ": r"hammond",
    "Electronic organ": r"electr\w+ organ",
    "Keyboard (musical)": r"keyboards?|keys|piano|clavinet|organ",
    "Synthesizer": r"synth\w*|moog|arpeggiat\w+|pads?",
    "Harpsichord": r"harpsichord",
    "Guitar": r"guitars?|e-guitars?|guitarist",
    "Electric guitar": r"electric (lead )?guitars?|e-?guitars?|distorted guitars?|overdriven guitars?|guitar riffs?|power chords?|wah.?wah",
    "Acoustic guitar": r"acoustic( rhythm| lead)? guitars?|fingerpick\w+|fingerstyle|classical guitars?|nylon guitars?",
    "Bass guitar": r"bass guitars?|e-bass|electric bass|bass ?lines?|slap bass|bassist|groovy bass",
    "Steel guitar, slide guitar": r"slide guitar|steel guitar|lap steel|pedal steel|bottleneck",
    "Tapping (guitar technique)": r"tapping",
    "Strum": r"strum\w*",
    "Banjo": r"banjos?",
    "Sitar": r"sitars?",
    "Mandolin": r"mandolins?|bouzouki|balalaika",
    "Zither": r"zither|koto|guzheng|dulcimer|qanun|kanun|kantele|bandura",
    "Ukulele": r"ukuleles?|uke",
    "Plucked string instrument": r"guitars?|banjos?|mandolins?|ukuleles?|sitars?|plucked|oud|lute|koto|guzheng|pipa|rubab|bouzouki|balalaika|kora|shamisen|charango|harp",
    "Percussion": r"percussions?|percussive|bongos?|congas?|djembe|cajon|drums?|drumming|shakers?|timbales|cowbells?",
    "Drum kit": r"acoustic drums?|drum ?kit|drum set|drummer|kick and snare|rock drums|drums",
    "Drum machine": r"drum machine|electronic drums?|digital drums?|808|programmed (drums|percussion)|e-drums",
    "Drum": r"drums?|drumming|djembe|taiko|bongos?|congas?|tom-?toms?|toms",
    "Snare drum": r"snares?",
    "Bass drum": r"bass drums?|kicks?|kick drums?|four on the floor",
    "Rimshot": r"rimshots?|rim ?shots?",
    "Drum roll": r"drum ?rolls?|snare rolls?",
    "Timpani": r"timpani|kettle ?drums?",
    "Tabla": r"tablas?",
    "Cymbal": r"cymbals?|crash",
    "Hi-hat": r"hi-?hats?|hi hats?",
    "Wood block": r"wood ?blocks?|claves|castanets",
    "Tambourine": r"tambourines?",
    "Maraca": r"maracas?|shakers?",
    "Gong": r"gongs?",
    "Tubular bells": r"tubular bells",
    "Mallet percussion": r"mallets?|marimba|xylophone|vibraphone|balafon|glockenspiel|gamelan|kalimba",
    "Marimba, xylophone": r"marimbas?|xylophones?|balafon|kalimba",
    "Glockenspiel": r"glockenspiel|music ?box|celesta",
    "Vibraphone": r"vibraphones?|vibes",
    "Steelpan": r"steel ?(pan|drum)s?",
    "Orchestra": r"orchestra\w*|symphon\w+|philharmonic|cinematic strings",
    "Brass instrument": r"brass( section)?|horns?|trumpets?|trombones?|tuba|fanfare|big band",
    "French horn": r"french horns?",
    "Trumpet": r"trumpets?|cornet|flugelhorn|mariachi",
    "Trombone": r"trombones?",
    "Bowed string instrument": r"violins?|fiddles?|cellos?|violas?|bowed|strings|erhu|double bass|string (section|quartet|orchestra)",
    "String section": r"string section|strings|string (quartet|orchestra|ensemble)",
    "Violin, fiddle": r"violins?|fiddles?|violinist|erhu",
    "Pizzicato": r"pizzicato",
    "Cello": r"cellos?|cellist",
    "Double bass": r"double bass|upright bass|contrabass|acoustic bass|walking bass",
    "Wind instrument, woodwind instrument": r"woodwinds?|wind instruments?|flutes?|clarinets?|oboes?|saxophones?|sax|bassoon|recorder|pan ?flute|whistle|bagpipes?|duduk|shakuhachi",
    "Flute": r"flutes?|pan ?flutes?|flutist|shakuhachi|recorder|tin whistle|bansuri|ocarina",
    "Saxophone": r"sax\w*",
    "Clarinet": r"clarinets?",
    "Harp": r"harps?|harpist",
    "Bell": r"bells?|chimes",
    "Church bell": r"church bells?",
    "Jingle bell": r"sleigh bells?|jingle bells?",
    "Chime": r"chimes?",
    "Wind chime": r"wind chimes?",
    "Harmonica": r"harmonicas?|mouth organ|blues harp",
    "Accordion": r"accordions?|concertina|bandoneon|squeezebox|polka|musette",
    "Bagpipes": r"bagpipes?",
    "Didgeridoo": r"didgeridoos?",
    "Shofar": r"shofar",
    "Theremin": r"theremins?",
    "Singing bowl": r"singing bowls?|tibetan bowls?|crystal bowls?",
    "Scratching (performance technique)": r"scratch\w*|turntabl\w+|vinyl scratch\w*",
    "Pop music": r"pop|pop song|top 40|boy ?band|girl group|k-?pop|teen pop",
    "Hip hop music": r"hip[- ]?hop|rap|rapper|rapping|trap|boom bap|gangsta|lo-?fi beats?",
    "Rapping": r"rap|raps|rapping|rapper|rapped",
    "Beatboxing": r"beat-?box\w*",
    "Rock music": r"rock|hard rock|rock band|garage rock|alternative rock|indie rock|rocker|grunge|punk|metal",
    "Heavy metal": r"metal|heavy metal|death metal|thrash|metalcore|headbang\w*|black metal|growl\w*|screamo",
    "Punk rock": r"punk|punk rock|hardcore punk|pop punk",
    "Grunge": r"grunge",
    "Progressive rock": r"prog|progressive rock|prog rock",
    "Rock and roll": r"rock ?(and|n|'n'|&) ?roll|rockabilly|fifties rock",
    "Psychedelic rock": r"psychedelic|acid rock|trippy",
    "Rhythm and blues": r"r ?(&|n|and) ?b|rnb|rhythm and blues",
    "Soul music": r"soul|soul music|neo-soul|motown",
    "Reggae": r"reggae|dub|dancehall|ragga|jamaican|rasta\w*",
    "Country": r"country|country music|cowboy|honky[- ]tonk|nashville|western",
    "Swing music": r"swing|big band|swing music|charleston",
    "Bluegrass": r"bluegrass|hoedown|appalachian",
    "Funk": r"funk\w*|slap bass",
    "Folk music": r"folk|folk song|folklor\w+|celtic|irish|singer-songwriter",
    "Middle Eastern music": r"middle eastern|arab\w*|oud|turkish|persian|oriental|belly ?dance",
    "Jazz": r"jazz\w*|bebop|bossa nova|smooth jazz|ragtime|dixieland",
    "Disco": r"disco|nu-disco|seventies dance",
    "Classical music": r"classical|classical music|baroque|sonata|concerto|chamber music|symphon\w+|string quartet|waltz",
    "Opera": r"opera\w*|aria|soprano|tenor",
    "Electronic music": r"electronic( music)?|edm|techno|house|electro\w*|trance|synthwave|dubstep|synth-?pop|chiptune|idm",
    "House music": r"house|deep house|house music|tech house|club music",
    "Techno": r"techno|rave|minimal techno",
    "Dubstep": r"dubstep|wobble bass|brostep",
    "Drum and bass": r"drum ?(and|n|'n'|&) ?bass|dnb|d&b|jungle|breakbeat",
    "Electronica": r"electronica|idm|downtempo|chillwave|synthwave",
    "Electronic dance music": r"edm|electronic dance( music)?|club( music)?|rave|dj|festival edm|big room|future bass",
    "Ambient music": r"ambient|ambience|drone|soundscapes?|atmospheric|spacey|ethereal",
    "Trance music": r"trance|psytrance|goa",
    "Music of Latin America": r"latin\w*|salsa|bossa nova|samba|cumbia|mariachi|tango|reggaeton|mexican|brazil\w+|cuban|merengue|bachata",
    "Salsa music": r"salsa|mambo|son cubano",
    "Flamenco": r"flamenco|spanish guitars?|rumba",
    "Blues": r"blues|bluesy|delta blues|12[- ]bar",
    "Music for children": r"child\w*|kids?|nursery rhyme|toddlers?|kindergarten",
    "New-age music": r"new[- ]age|meditat\w+|spa|yoga|healing|zen|massage|relaxation",
    "Vocal music": r"vocals?|choir|choral|a ?cappella|vocal harmon\w+|harmoni[sz]ing",
    "A capella": r"a ?cappella|acapella|barbershop|voices only",
    "Music of Africa": r"africa\w*|kora|djembe|balafon|afro\w*|mbira",
    "Afrobeat": r"afro-?beats?|highlife",
    "Christian music": r"christian|worship|hymns?|praise|church song|gospel",
    "Gospel music": r"gospel|church choir|spirituals?",
    "Music of Asia": r"asian?|chinese|japan\w+|korean|india\w*|guzheng|koto|erhu|shamisen|indonesian|thai|gamelan|pipa",
    "Carnatic music": r"carnatic|south indian|mridangam",
    "Music of Bollywood": r"bollywood|hindi|indian pop|bhangra",
    "Ska": r"ska",
    "Traditional music": r"traditional|folk dance|ethnic|tribal|ceremon\w+|world music|ritual",
    "Independent music": r"indie|independent|indie rock|indie pop",
    "Song": r"song|singer|vocals?|singing",
    "Singing": r"sing\w*|vocals?|vocalist|voices?|choir|sung|croon\w*",
    "Male singing": r"(?<!fe)male (\w+ )?(\w+ )?(vocals?|voices?|singer|vocalist)|man sing\w*|baritone|tenor|he sings",
    "Female singing": r"female (\w+ )?(\w+ )?(vocals?|voices?|singer|vocalist)|woman sing\w*|soprano|diva|she sings",
    "Child singing": r"child sing\w*|children sing\w*|kids sing\w*|children'?s choir|child'?s voice|kid'?s voice",
    "Synthetic singing": r"auto-?tune\w*|vocoder|robotic voice|vocaloid|synthetic voice",
    "Choir": r"choirs?|choral|choruses|gregorian",
    "Chant": r"chant\w*|gregorian|monks?",
    "Mantra": r"mantras?|throat singing|om",
    "Yodeling": r"yodel\w*",
    "Humming": r"humm\w+",
    "Whistling": r"whistl\w+",
    "Background music": r"background music|elevator music|lounge|advertisement|documentary|muzak|corporate|tutorial",
    "Theme music": r"theme( song| music)?|opening credits|tv show|title music|fanfare",
    "Jingle (music)": r"jingles?|commercial|advert\w*",
    "Soundtrack music": r"soundtrack|film|movie|cinematic|score|trailer|epic",
    "Lullaby": r"lullab\w+|sleep|bedtime|baby|cradle",
    "Video game music": r"video ?games?|8-?bit|chiptune|arcade|game music|game boy|nintendo|boss fight",
    "Christmas music": r"christmas|xmas|carols?|holiday|santa|sleigh bells?",
    "Dance music": r"danc\w+|disco|club( music)?|party|nightclub",
    "Wedding music": r"wedding|bridal|bride",
    "Happy music": r"happy|joyful|cheerful|joyous|uplifting|feel-?good|fun|merry|bright|jolly|upbeat|positive",
    "Funny music": r"funny|comic\w*|comed\w+|silly|quirky|goofy|humorous|cartoon\w*|clowns?|circus|playful|wacky",
    "Sad music": r"sad\w*|melanchol\w+|sorrow\w*|heartbreak\w*|gloomy|mournful|grief|depress\w+|lonely|tearful|crying|nostalgic",
    "Tender music": r"tender|gentle|soft|mellow|soothing|romantic|calm\w*|peaceful|delicate|sentimental|love song|ballad|relax\w+|dreamy|intimate|heartfelt",
    "Exciting music": r"exciting|energetic|thrilling|adrenaline|epic|intense|powerful|driving|pumping|triumphant|action|workout|heroic|fast[- ]paced|fast tempo|frantic",
    "Angry music": r"angry|aggressive|rage|furious|violent|brutal|angst\w*|scream\w*|growl\w*",
    "Scary music": r"scary|horror|spooky|creepy|ominous|eerie|sinister|haunting|suspense\w*|halloween|frightening|menacing|dark ambient|terrifying|nightmare",
    "Effects unit": r"wah.?wah|flanger|phaser|effects? pedals?|distort\w+",
    "Distortion": r"distort\w+|overdriven|fuzz",
    "Reverberation": r"reverb\w*",
    "Echo": r"echo\w*|delay",
    "Chorus effect": r"chorus effect",
    "Sampler": r"sampl\w+",
    "Speech": r"speech|speak\w*|talk\w*|spoken|narrat\w+|monologue|announcer|dialogue",
    "Male speech, man speaking": r"(man|male)( voice)? (speak\w*|talk\w*|narrat\w*)",
    "Female speech, woman speaking": r"(woman|female)( voice)? (speak\w*|talk\w*|narrat\w*)",
    "Crowd": r"crowd|audience|stadium|concert",
    "Cheering": r"cheer(s|ing)",
    "Applause": r"applau\w+",
    "Clapping": r"clap\w*|hand ?claps?",
    "Finger snapping": r"finger ?snap\w*|snapping fingers|finger snipp\w*",
    "Field recording": r"field recording",
    "Rain": r"rain|raining",
    "Bird vocalization, bird call, bird song": r"birds?|bird ?song|chirping",
    "Water": r"water|stream|river",
    "Ocean": r"ocean|waves|sea",
    "Noise": r"nois(e|y)|static",
    "Inside, small room": r"small room|amateur recording|practice room|bedroom|home recording",
    "Laughter": r"laugh\w*",
    "Cowbell": r"cowbells?",
    "Harmonic": r"harmonics?|overtones?",
    "Musical instrument": r"instrumental|instruments?|solo",
}  # fmt: skip

_NEGATION = re.compile(r"\b(no|without|not|lacks?|there (is|are) no|isn'?t|aren'?t|free of)\b( any| other)?( \w+)? ?$")
_NEGATION_REACH = 25  # characters before a keyword in which a negation is looked for
NO_VOICE = re.compile(
    r"\b(no (singer|singing|voices?|vocals?|vocalist)|without (voices?|vocals?|singing)|instrumental)\b"
)
VOCAL_LABELS = frozenset({"Song", "Singing", "Vocal music", "Male singing", "Female singing"})


def keyword_rule(pattern: str) -> re.Pattern[str]:
    """The pattern at word boundaries."""
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])")


_RULES = {label: keyword_rule(pattern) for label, pattern in KEYWORD_PATTERNS.items()}


def match_labels(text: str) -> set[str]:
    """The labels that a text names, without `VOCAL_LABELS` if it says that nobody sings.

    >>> match_labels("Harmonica, no piano")
    {'Harmonica'}
    """
    text = text.lower()
    named = {label for label, rule in _RULES.items() if has_match(rule, text)}
    if NO_VOICE.search(text):
        named -= {"Song"} if "Choir" in named else VOCAL_LABELS
    return named


def has_match(rule: re.Pattern[str], text: str) -> bool:
    """Whether a rule matches a text, in lower case, where no negation stands before the match."""
    starts = (match.start() for match in rule.finditer(text))
    return any(not _NEGATION.search(text[max(0, start - _NEGATION_REACH) : start]) for start in starts)
