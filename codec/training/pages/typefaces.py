"""Words and fonts for generated pages. A face is a font and a language whose every character the font has."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import ImageFont, features

FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "/System/Library/Fonts", "C:/Windows/Fonts")
SUFFIXES = {".ttf", ".otf", ".ttc"}
MISSING = "\U0010fffe"  # no font has it: it is drawn as the glyph .notdef
DIGITS = "0123456789"

WORDS = {
    "english": "the of and a to in is that with for as on are this by from measure water light image river signal paper"
    " Monday report number table village winter quiet engine orange bridge letter copper question window value field"
    " machine theory harbour seventeen between method account simple Quebec jazz fox exact kingdom yellow overview",
    "german": "der die und für über Straße Größe Wäsche Übung Maß schön Haus Zug Äpfel grün Öffnung läuft Zeitung"
    " Geschwindigkeitsbegrenzung fünf jährlich Schlüssel Wissenschaft",
    "french": "le la été où garçon fenêtre naïf cœur français déjà leçon hôtel maïs Île œuvre âge règle bientôt Ève"
    " lumière aujourd'hui première",
    "spanish": "el la niño mañana corazón ¿qué? año árbol también música lápiz pingüino España según canción ¡sí!"
    " número",
    "polish": "źródło żółw łąka święto ćma mężczyzna pięć gęś wrzesień Łódź dzień książka że się był część",
    "czech": "příliš žluťoučký kůň úpěl ďábelské ódy řeka město škola čtyři děti být první ženy větší",
    "turkish": "ağaç güneş çiçek İstanbul ışık öğrenci şehir yağmur küçük büyük değil soğuk kırmızı altı",
    "vietnamese": "tiếng Việt được những người không một đường phố nước mưa trời sáng học việc đẹp lớn quyển sách",
    "swedish": "år från själ öppen hästar måndag blå kött får vägen språk sjö över någon år",
    "russian": "и в не на что город вода свет число письмо зима мост улица Москва щука объём ещё этот день жизнь хлеб"
    " вопрос таблица машина книга юг ёлка",
    "ukrainian": "і та що місто їжа ґанок життя вулиця є річка ґрунт їх щастя Київ молоко знання",
    "greek": "και το της ημέρα νερό φως αριθμός βιβλίο Αθήνα θάλασσα ψωμί ώρα γράμμα ξύλο ήλιος δρόμος χρόνος ζωή",
    "chinese": "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后"
    "小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但"
    "身些与高意进把法此实回二理美点月明其种声全工己话",
    "japanese": "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをんアイウエオ"
    "カキクケコサシスセソタチツテトナニネノハヒフヘホマミムメモヤユヨラリルレロワンがぎぐげごだでどばびぶべぼー日本人大年"
    "会国中東京時間分水木金土月火新聞電車語学校駅道",
    "korean": "한국어 사람 하늘 바다 시간 물 나무 책상 학교 오늘 서울 의자 전화 음악 값 읽다 밖 꽃 빨강"
    " 우리 여행 좋은 없는",
    "arabic": "في من على كتاب مدينة الماء الضوء يوم رقم سؤال بيت طريق شمس قمر لغة العربية حياة صغير كبير وقت",
    "hebrew": "של את הוא ספר עיר מים אור יום מספר שאלה בית דרך שמש ירח שפה חיים קטן גדול זמן",
    "hindi": "और का है पानी किताब शहर प्रकाश दिन संख्या प्रश्न घर रास्ता सूर्य चन्द्रमा भाषा हिन्दी जीवन छोटा बड़ा समय विद्यार्थी",
}
LATIN = ("english", "german", "french", "spanish", "polish", "czech", "turkish", "vietnamese", "swedish")
OTHERS = tuple(name for name in WORDS if name not in LATIN)
UNSPACED = ("chinese", "japanese")  # their words above are single characters
RANDOM = {"chinese": (0x4E00, 0x9FA6), "japanese": (0x4E00, 0x9FA6), "korean": (0xAC00, 0xD7A4)}  # rarer characters
SHAPED = ("arabic", "hebrew", "hindi")  # need Raqm, which joins, reorders and mirrors
RIGHT_TO_LEFT = ("arabic", "hebrew")


@lru_cache(maxsize=512)
def sized(path: str, size: int) -> ImageFont.FreeTypeFont:
    """The font of a file, or Pillow's own where `path` is empty, at `size` pixels per em."""
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def glyph(path: str, character: str) -> tuple:
    mask = sized(path, 16).getmask(character, mode="1")
    return mask.size, bytes(mask)


@lru_cache(maxsize=1 << 16)
def has(path: str, character: str) -> bool:
    """Whether a font draws a character, as ink that is not the box for missing ones."""
    mask = glyph(path, character)
    return character == " " or (0 not in mask[0] and any(mask[1]) and mask != glyph(path, MISSING))


@dataclass(frozen=True)
class Face:
    path: str
    language: str

    @property
    def joint(self) -> str:
        """What is between two words."""
        return "" if self.language in UNSPACED else " "

    @property
    def leftward(self) -> bool:
        return self.language in RIGHT_TO_LEFT

    def clean(self, text: str) -> str:
        """The text without the characters that the font lacks."""
        return "".join(c for c in text if has(self.path, c))

    def word(self, rng: np.random.Generator) -> str:
        words = WORDS[self.language] if self.language in UNSPACED else WORDS[self.language].split()
        count = rng.integers(1, 5) if self.language in UNSPACED else 1
        if self.language in RANDOM and rng.random() < 0.25:
            return self.clean("".join(chr(rng.integers(*RANDOM[self.language])) for _ in range(rng.integers(1, 4))))
        if self.language not in (*UNSPACED, *SHAPED) and rng.random() < 0.4:  # the head of one and the tail of another
            head, tail = (words[i] for i in rng.integers(0, len(words), 2))
            return head[: len(head) // 2 + 1] + tail[len(tail) // 2 :]
        return "".join(words[i] for i in rng.integers(0, len(words), count))

    def words(self, rng: np.random.Generator, count: int) -> str:
        return self.joint.join(self.word(rng) for _ in range(count))

    def sentence(self, rng: np.random.Generator) -> list[str]:
        """What a line may break between: words, or characters where a language has no spaces; the end has a stop."""
        words = [self.word(rng) for _ in range(rng.integers(4, 16))]
        words = [w if rng.random() > 0.05 else str(rng.integers(1, 3000)) for w in words]
        if self.language in UNSPACED:
            comma, stop = "、" if self.language == "japanese" else "，", "。"
        else:
            comma, stop = "،" if self.language == "arabic" else ",", "।" if self.language == "hindi" else "."
            words[0] = words[0][:1].upper() + words[0][1:]
        words = [w + comma if rng.random() < 0.1 else w for w in words[:-1]] + [words[-1] + stop]
        return (
            [part for w in words for part in re.findall(r"\d+|.[、，。]?", w)] if self.language in UNSPACED else words
        )


class Fonts:
    """The fonts below folders, or Pillow's own where there is none. Families count alike, however many fonts they have.

    folders: fonts' files or folders, by default where systems have them; an empty tuple leaves Pillow's own.
    """

    def __init__(self, folders: tuple[str, ...] | None = None):
        roots = [Path(folder) for folder in (FOLDERS if folders is None else folders)]
        files = {file.resolve() for root in roots for file in ([root] if root.is_file() else root.rglob("*"))}
        self.families: dict[str, list[str]] = {}
        for file in sorted(f for f in files if f.suffix.lower() in SUFFIXES):
            try:
                name = sized(str(file), 16).getname()[0] or file.stem
            except OSError:  # bitmaps of one size, or damaged
                continue
            self.families.setdefault(name.split()[0], []).append(str(file))
        if not self.families:
            self.families = {"": [""]}
        self._faces: dict[tuple[str, bool], dict[str, list[Face]]] = {}

    def faces(self, language: str, mono: bool) -> dict[str, list[Face]]:
        """By family: those that have all of a language, and with `mono`, that are also as wide for i as for M."""
        if (language, mono) not in self._faces:
            needed = sorted(set(WORDS[language] + DIGITS) - {" "})
            faces_of = {}
            for family, paths in self.families.items():
                fitting = [Face(p, language) for p in paths if all(has(p, c) for c in needed)]
                fitting = [f for f in fitting if not mono or len({sized(f.path, 16).getlength(c) for c in "iM."}) == 1]
                if fitting:
                    faces_of[family] = fitting
            self._faces[language, mono] = faces_of
        return self._faces[language, mono]

    def pick(self, rng: np.random.Generator, languages: tuple[str, ...] = tuple(WORDS), mono: bool = False) -> Face:
        """A face in one of some languages; where no font has any of them, one in English that need not be `mono`."""
        able = [x for x in languages if x not in SHAPED or features.check("raqm")]
        able = [x for x in able if self.faces(x, mono)]
        language = able[rng.integers(len(able))] if able else "english"
        able_faces = list(self.faces(language, mono and bool(able)).values())
        if not able_faces:
            return Face("", "english")
        family = able_faces[rng.integers(len(able_faces))]
        return family[rng.integers(len(family))]
