"""Names of artists and titles as they stand in tags, by language; "|" between them."""

WESTERN = """\
Beyoncé|Björk|Motörhead|Sigur Rós|Mötley Crüe|Queensrÿche|Blue Öyster Cult|Hüsker Dü|Röyksopp|\
Sinéad O'Connor|Céline Dion|Édith Piaf|Françoise Hardy|Zoé|Café Tacvba|Maná|José González|Jónsi|\
Ólafur Arnalds|Emilíana Torrini|múm|Samúel Jón Samúelsson|Ásgeir|Kælan Mikla|GusGus|Sólstafir|Skálmöld|\
Ágætis byrjun|Með suð í eyrum við spilum endalaust|Sæglópur|Hafsól|Svefn-g-englar|Ný batterí|Olsen Olsen|\
Flugufrelsarinn|Track 01|Häxan|Die Ärzte|Die Toten Hosen|Bläck Fööss|Höhner|Herbert Grönemeyer|\
Marius Müller-Westernhagen|Udo Jürgens|Jürgen Drews|Münchener Freiheit|Spider Murphy Gang|Böhse Onkelz|\
Ärzte ohne Grenzen|Für Elise|Kind of Blue|Schöne Grüße|Über den Wolken|Grüße aus München|Größe|Straße|Weiß|\
Fußball|Tränen lügen nicht|Junimond|Wir sind Helden|Fräulein Menke|Mädchen|Männer|Öde an die Freude|Ümläüt|\
Leæther Strip|Trentemøller|Mø|MØ|Kashmir|Lukas Graham|Søren Huss|Nik & Jay|Mew|Volbeat|Gasolin'|\
Sebastian Lund|Jørgen Ingmann|Røde Mor|Östro 430|Håkan Hellström|Timbuktu|Kent|Först som sist|Röda Bönor|\
Åsa Jinder|Ebba Grön|Imperiet|Björn Afzelius|Cornelis Vreeswijk|Evert Taube|Monica Törnell|Måns Zelmerlöw|\
Sanna Nielsen|Hoola Bandoola Band|Gösta Berlings saga|Änglagård|Anekdoten|Bo Hansson|Bröderna Djup|\
Östen Warnerbring|Lasse Mårtenson|Eppu Normaali|Yö|Pelle Miljoona|J. Karjalainen|Värttinä|Sielun Veljet|\
Hassisen Kone|Leevi and the Leavings|Hyvää yötä|Ääniä|Äänekoski|Ääretön|Tänään|Kärsämäki|Mörköjen yö|\
Pää kiinni|Öögate|Öö|Jää-äär|Kuuöö|Nõmme|Söömaaeg|Põhja-Tallinn|Metsatöll|Ühendkoor|Arvo Pärt|Veljo Tormis|\
Ñu|Ñengo Flow|Niña Pastori|Mägo de Oz|Héroes del Silencio|Camarón de la Isla|Paco de Lucía|Vicente Amigo|\
Joaquín Sabina|Raphaël|Noël|Noël Coward|Zaïre|Naïve|Maïa Barouh|Joëlle Ursull|Daniel Balavoine|Noir Désir|\
Téléphone|Indochine|Mylène Farmer|Étienne Daho|Dépêche|À bout de souffle|Ça c'est vraiment toi|L'été indien|\
Été 67|Où es-tu|Où va le monde|Là-bas|Élégie|Déjà vu|Fête|Être|Âme|Île|Œuvre|Cœur de pirate|Sœur|Bœuf|\
Le bœuf sur le toit|Mère|Père|Frère Jacques|Garçon|Leçon|Français|Serge Gainsbourg & Jane Birkin|\
Je t'aime... moi non plus|Comme d'habitude|Les Négresses Vertes|Georges Moustaki|Léo Ferré|Barbara|Barrière|\
Zazie|Émilie Simon|Camille|Benjamin Biolay|Dominique A|Miossec|Arthur H|Têtes Raides|Mano Solo|\
La Rue Kétanou|Zebda|Rachid Taha|Khaled|Cheb Mami|Faudel|Tarkan|João Gilberto|Caetano Veloso|Gilberto Gil|\
Tom Zé|Gal Costa|Maria Bethânia|Antônio Carlos Jobim|São Paulo|Coração|Canção|Não|Mãe|Amanhã|Ilusão à toa|\
Chão|Irmãos|Seleção|Três caravelas|Você|Avôhai|Zé Ramalho|Elba Ramalho|Alceu Valença|Luiz Gonzaga|\
Dona Ivone Lara|Clementina de Jesus|Amália Rodrigues|Sérgio Godinho|José Afonso|António Variações|Madredeus|\
Dulce Pontes|Mísia|Mariza|Camané|Ângela Maria|Ênio|Ícaro|Óscar|Úrsula|Señor|Mañana|Corazón|Canción|El Niño|\
España cañí|Bésame mucho|Cielito lindo|Mercedes Sosa|Atahualpa Yupanqui|Víctor Jara|Inti-Illimani|\
Silvio Rodríguez|Pablo Milanés|Rubén Blades|Óscar D'León|Celia Cruz|Tito Puente|¿Dónde jugarán las niñas?|\
¡Viva la revolución!|¿Qué?|¡Ay!|Ay Dios Mío!|Perché no|È tardi|Città vuota|Più bella cosa|Felicità|\
Così celeste|Però|Già|Caffè|Libertà|Là ci darem la mano|Gigliola Cinquetti|Fabrizio De André|Lucio Battisti|\
Mina|Adriano Celentano|Paolo Conte|Franco Battiato|Ænima|Æon Spoke|Þursaflokkurinn|Þeyr|Það|Þú|Ísland|Ég|Ó|\
Á|À|Ö|Å|Ä|Ø|Éa|Àéô|ÆØÅ|ÄÖÜ|Åäö|Dødheimsgard|Mayhem|Burzum|Windir|Árstíðir|Týr|Eivør|Hamferð|Ulver|Kvelertak|\
Hräfsva|Trøllabundin|Tú ert|Kári|Færeyjar|BLÖDER MUSIKANT|DÖDSMASKIN|BJÖRK GUÐMUNDSDÓTTIR|MÖTÖRHEAD|MAÑANA|\
ÉCLAIR|ÜBERMENSCH|Übermäßig|50¢|100 °C|10 µm|€uro|£100|Don’t Stop|It’s – ok|“Heroes”|‘Round Midnight|\
Rock’n’Roll|Pop™|©2001|® Records|½ Mensch|¾|²|5² + 3³|Nº 1|1ª parte|Vol. II – Part 3|\
Café del Mar • Volumen Ocho|Schrödinger’s Cat|naïve façade|Zürich|Genève|Malmö|Århus|Tórshavn|Reykjavík|\
Kraków|Citroën|Ibáñez|Núñez|Muñoz|Peña|Ordóñez|Yáñez|Güiro|Pingüino|Lingüística|Vergüenza|Õhtu|Ülo|Blöödhäg|\
Ünïcödë|Mütiilation|Znöwhite|Lääz Rockit|Assück|Crüxshadows|Maxïmo Park|Motör|Green Jellÿ|Infernäl Mäjesty|\
Ögonblick|Åka Åla|Äppelöga|Älskar älskar inte|Öppna landskap|Åh åh åh|Éé|Úú""".split("|")

RUSSIAN = """\
Кино|Алиса|Аквариум|Земфира|Мумий Тролль|ДДТ|Наутилус Помпилиус|Виктор Цой|Группа крови|\
Звезда по имени Солнце|Король и Шут|Ария|Сплин|Чайф|Агата Кристи|Ленинград|Би-2|Високосный год|\
Ночные снайперы|Машина времени|Алла Пугачёва|Владимир Высоцкий|Булат Окуджава|Песня о друге|\
Кони привередливые|Чёрный ворон|Подмосковные вечера|Катюша|Миллион алых роз|Ёлка|ЛЮБЭ|КИНО|АРИЯ|Дельфин|\
Мельница|Пикник|Крематорий|Гражданская оборона|Егор Летов|Янка|Секрет|Браво|Валерий Меладзе|Ты|Я|Мы|Он|Час|\
Лёд""".split("|")

UKRAINIAN = """\
Океан Ельзи|Воплі Відоплясова|Скрябін|Друга Ріка|Плач Єремії|Тартак|Бумбокс|ДахаБраха|Без обмежень|\
Мертвий півень|Брати Гадюкіни|Кому вниз|Пісня|Їжачок|Червона рута|Ой у лузі червона калина|Квітка Цісик|\
Володимир Івасюк|Софія Ротару|Ґудзик|Львів|Тінь сонця|Хай живе Україна|Веселі яйця|Річка""".split("|")

GREEK = """\
Μίκης Θεοδωράκης|Μάνος Χατζιδάκις|Νάνα Μούσχουρη|Χάρις Αλεξίου|Γιώργος Νταλάρας|Βασίλης Παπακωνσταντίνου|\
Ζορμπάς|Τα παιδιά του Πειραιά|Συννεφιασμένη Κυριακή|Φραγκοσυριανή|Ελευθερία Αρβανιτάκη|Διονύσης Σαββόπουλος|\
Πυξ Λαξ|Τρύπες|Ξύλινα Σπαθιά|Σωκράτης Μάλαμας|Θανάσης Παπακωνσταντίνου|Αγάπη|Σ' αγαπώ|Μελίνα Μερκούρη""".split("|")

JAPANESE = """\
宇多田ヒカル|浜崎あゆみ|椎名林檎|東京事変|坂本龍一|久石譲|サザンオールスターズ|スピッツ|くるり|上を向いて歩こう|さくら|残酷な天使のテーゼ|米津玄師|中島みゆき|松任谷由実|はっぴいえんど|細野晴臣|\
山下達郎|竹内まりや|桜|君が代|ドラゴンボール|千と千尋の神隠し|嵐|ゆず|きゃりーぱみゅぱみゅ|初音ミク|First Love 初恋|夜に駆ける|ハナミズキ""".split(
    "|"
)

CHINESE = """\
周杰伦|邓丽君|王菲|张学友|刘德华|陈奕迅|李宗盛|罗大佑|崔健|一无所有|月亮代表我的心|青花瓷|七里香|菊花台|双截棍|莫文蔚|孙燕姿|蔡依林|林俊杰|五月天|倔强|同桌的你|老狼|朴树|生如夏花|汪峰|\
怒放的生命|光辉岁月|甜蜜蜜|夜来香""".split("|")

TRADITIONAL_CHINESE = """\
周杰倫|鄧麗君|張學友|劉德華|陳奕迅|羅大佑|月亮代表我的心|青花瓷|海闊天空|光輝歲月|甜蜜蜜|夜來香|五月天|蔡依林|孫燕姿""".split(
    "|"
)

KOREAN = """\
방탄소년단|소녀시대|서태지와 아이들|아이유|빅뱅|조용필|김광석|이문세|강남스타일|봄날|사랑|아리랑|신승훈|이선희|산울림""".split(
    "|"
)

HEBREW = """\
עפרה חזה|אריק איינשטיין|שלמה ארצי|הגשש החיוור|ירושלים של זהב|יהודית רביץ|כוורת|משינה""".split("|")
