"""The words of the lesson in its three languages: for each step a title, a paragraph, the control, a question, and
its answer. Gradio picks the language of the browser, or the one chosen in the page's settings."""

PARTS = ("title", "text", "control", "question", "answer")

ENGLISH = (
    (
        "1 · Why not just zip the pixels?",
        "A picture is three numbers for each pixel. An archiver looks for pieces that come back exactly, and a "
        "photograph hardly has any: neighbours are alike, but rarely the same. Throw away low bits until zip gets "
        "somewhere, and watch what it costs a sky, or whatever is smooth.",
        "Bits kept of each 8",
        "Why does zip gain so little on a photograph, and so much on a drawing?",
        "Sensor noise makes the last bits of every pixel random, and random bits cannot be shortened by anything. "
        "In a drawing whole rows repeat exactly. To do better on photographs one must predict what is merely "
        "alike, and decide which differences nobody would miss.",
    ),
    (
        "2 · Say it in waves",
        "Cut the picture into blocks of 8×8 and write each as a sum of 64 fixed wave patterns, from flat to "
        "finest. Nothing is lost yet: 64 pixels became 64 coefficients. But they are not alike; a few carry most "
        "of the picture. Here only the coarsest ones are kept.",
        "Coefficients kept of each 64",
        "With 6 coefficients of 64 the scene is still easy to recognise. What is gone?",
        "Edges and texture: whatever changes within a few pixels needs fine waves. A learned analysis transform "
        "does the same kind of thing with patterns that it chose itself, over larger areas, and not linear ones.",
    ),
    (
        "3 · Round: the step that loses",
        "Coefficients are real numbers; files hold whole ones. Divide each by a step, round, and multiply again when "
        "decoding. A larger step leaves fewer different numbers and more zeros, hence fewer bits, and a larger "
        "error.",
        "Step",
        "If the step doubles, by how much does the mean squared error grow?",
        "While the step is small beside the coefficients, the error of rounding is spread evenly over ±half a step, "
        "so its mean square is step²/12: four times as much, or 6 dB, and every coefficient takes one bit less. "
        "Compare the steps 2, 4 and 8: it is nearly so. With larger ones most coefficients are 0 already: the error "
        "grows more slowly, and less is saved.",
    ),
    (
        "4 · A bit is a surprise",
        "A number that was expected with probability p deserves −log₂ p bits, and a range coder comes within a hair "
        "of it. So the size of a file is a matter of expectation. The map shows the bits of each block when all "
        "coefficients are expected alike, or each wave has a table of its own. The tables are this picture's, and are "
        "not counted.",
        "What the coder expects",
        "Both choices decode to exactly the same picture. Where do the saved bits come from?",
        "From knowing more in advance: fine waves are nearly always 0, so a 0 there is no news. Learned codecs go "
        "on: they predict the spread of every single number from a small side channel and from neighbours already "
        "decoded.",
    ),
    (
        "5 · Learn all of it at once",
        "Now the neural codec. Its transform, how finely it rounds and what it expects were trained together to make "
        "one sum small: R + λ·D, bits per pixel plus λ times the mean squared error. λ is the price of error. These "
        "are real bytes, decoded again.",
        "λ: left cheap error, right dear error",
        "What would the best codec do at λ = 0, and at an endless λ?",
        "At 0 error costs nothing: it sends nothing, and may show anything; just above, the average of all pictures. "
        "At an endless λ only error counts, and it spends as many bits as it takes. Every λ between gives one point "
        "of the rate–distortion curve.",
    ),
    (
        "6 · Where do the bits go?",
        "The codec's own expectations tell what each place of your picture cost. Bright blocks were hard to "
        "foresee. At a low λ it pays only for what changes the picture most; at a high one, for grain as well.",
        "Price of error",
        "Why is a blurred background nearly free, however colourful it is?",
        "Colour alone is told once in a while; what costs is change that could not be foreseen. A smooth area is "
        "foreseen by its neighbours. What is in focus in front of it takes most of the file.",
    ),
    (
        "7 · What a generative decoder invents",
        "With few bits there is no room for every hair. A decoder trained for least error then shows the average "
        "of all that could have been: a blur. A generative one shows a single likely version: sharp, and partly "
        "made up. Move between the two; the bytes are the same.",
        "From least error to likely detail",
        "A forged hair on a head does no harm. Where would you forbid such a decoder?",
        "Wherever a picture is evidence: medicine, courts, number plates, maps. What looks like detail was not "
        "transmitted. HiFiC (2020) is convincing because its inventions are likely, which is not the same as true.",
    ),
)

FRENCH = (
    (
        "1 · Pourquoi ne pas simplement zipper les pixels ?",
        "Une image, ce sont trois nombres par pixel. Un archiveur cherche des morceaux qui reviennent à "
        "l'identique, et une photographie n'en a presque pas : les voisins se ressemblent, mais sont rarement égaux. "
        "Jetez les bits de poids faible jusqu'à ce que zip y gagne, et regardez ce que le ciel, ou tout ce qui est "
        "lisse, y perd.",
        "Bits gardés sur 8",
        "Pourquoi zip gagne-t-il si peu sur une photo, et tant sur un dessin ?",
        "Le bruit du capteur rend aléatoires les derniers bits de chaque pixel, et rien ne raccourcit le hasard. "
        "Dans un dessin, des lignes entières se répètent. Pour faire mieux, il faut prédire ce qui est seulement "
        "semblable, et décider quelles différences ne manqueraient à personne.",
    ),
    (
        "2 · Le dire en ondes",
        "Découpons l'image en blocs de 8×8, chacun écrit comme somme de 64 motifs d'ondes fixes, du plat au plus fin. "
        "Rien n'est encore perdu : 64 pixels sont devenus 64 coefficients. Mais quelques-uns portent l'essentiel de "
        "l'image. Ici, seuls les plus grossiers sont gardés.",
        "Coefficients gardés sur 64",
        "Avec 6 coefficients sur 64, on reconnaît encore la scène. Qu'a-t-on perdu ?",
        "Les contours et les textures : ce qui change en quelques pixels demande des ondes fines. Une transformée "
        "apprise fait de même, avec des motifs qu'elle a choisis, plus étendus et non linéaires.",
    ),
    (
        "3 · Arrondir : l'étape qui perd",
        "Les coefficients sont réels, un fichier contient des entiers. On divise par un pas, on arrondit, et on "
        "multiplie au décodage. Un pas plus grand laisse moins de valeurs et plus de zéros, donc moins de bits, et "
        "plus d'erreur.",
        "Pas",
        "Si le pas double, de combien croît l'erreur quadratique moyenne ?",
        "Tant que le pas est petit devant les coefficients, l'erreur est répartie uniformément sur ± un demi-pas, de "
        "carré moyen pas²/12 : quatre fois plus, soit 6 dB, pour un bit de moins par coefficient. Comparez les pas "
        "2, 4 et 8 : c'est presque cela. Au-delà, la plupart des coefficients sont déjà nuls : l'erreur croît moins "
        "vite, et l'on gagne moins.",
    ),
    (
        "4 · Un bit est une surprise",
        "Un nombre attendu avec la probabilité p mérite −log₂ p bits, et un codeur par intervalle s'en approche à un "
        "cheveu près. La taille d'un fichier dépend donc de ce qu'on attend. La carte montre les bits de chaque bloc "
        "quand tous les coefficients sont attendus de même, ou quand chaque onde a sa table. Les tables sont celles "
        "de cette image, et ne sont pas comptées.",
        "Ce que le codeur attend",
        "Les deux choix décodent exactement la même image. D'où viennent les bits gagnés ?",
        "De ce qu'on sait d'avance : les ondes fines sont presque toujours nulles, un zéro n'y apprend rien. Les "
        "codecs appris vont plus loin : ils prédisent la dispersion de chaque nombre par un petit canal annexe et "
        "par les voisins déjà décodés.",
    ),
    (
        "5 · Tout apprendre ensemble",
        "Voici le codec neuronal. Sa transformée, la finesse de son arrondi et ses attentes ont été entraînées "
        "ensemble pour rendre petite une seule somme : R + λ·D, les bits par pixel plus λ fois l'erreur quadratique "
        "moyenne. λ est le prix de l'erreur. Ce sont de vrais octets, décodés à nouveau.",
        "λ : à gauche l'erreur est bon marché, à droite elle est chère",
        "Que ferait le meilleur codec à λ = 0, et à λ infini ?",
        "À 0, l'erreur ne coûte rien : il n'envoie rien et peut montrer n'importe quoi ; juste au-dessus, la moyenne "
        "de toutes les images. À l'infini, seule l'erreur compte, et il dépense tous les bits qu'il faut. Chaque λ "
        "entre les deux donne un point de la courbe débit–distorsion.",
    ),
    (
        "6 · Où vont les bits ?",
        "Les attentes du codec disent ce qu'a coûté chaque endroit de votre image. Les blocs clairs étaient "
        "difficiles à prévoir. À petit λ il ne paie que ce qui change le plus l'image ; à grand λ, le grain aussi.",
        "Prix de l'erreur",
        "Pourquoi un arrière-plan flou est-il presque gratuit, si coloré soit-il ?",
        "La couleur se dit une fois de temps en temps ; ce qui coûte, c'est le changement imprévu. Une zone lisse "
        "se devine par ses voisines. Ce qui est net devant elle prend l'essentiel du fichier.",
    ),
    (
        "7 · Ce qu'un décodeur génératif invente",
        "Avec peu de bits, pas de place pour chaque cheveu. Un décodeur entraîné à l'erreur minimale montre la "
        "moyenne de tout ce qui était possible : un flou. Un décodeur génératif montre une seule version "
        "vraisemblable : nette, et en partie inventée. Passez de l'un à l'autre ; les octets sont les mêmes.",
        "De l'erreur minimale au détail vraisemblable",
        "Un cheveu inventé ne nuit à personne. Où interdiriez-vous un tel décodeur ?",
        "Partout où l'image est une preuve : médecine, justice, plaques, cartes. Ce qui semble un détail n'a pas "
        "été transmis. HiFiC (2020) convainc parce que ses inventions sont vraisemblables, ce qui n'est pas être "
        "vraies.",
    ),
)

CHINESE = (
    (
        "1 · 为什么不直接用 zip 压缩像素？",
        "图像的每个像素是三个数。压缩软件寻找完全相同的重复片段，而照片里几乎没有：相邻像素相似，却很少完全相等。逐"
        "步丢掉低位，看看 zip 什么时候开始有效，天空等平滑的地方又付出了什么代价。",
        "8 位中保留的位数",
        "为什么 zip 对照片几乎无效，对图画却很有效？",
        "传感器噪声使每个像素的末几位成为随机数，而随机数无法再缩短。图画中整行整行完全重复。要压缩照片，必须预测那"
        "些只是相似的部分，并决定哪些差别没有人会在意。",
    ),
    (
        "2 · 用波来描述",
        "把图像切成 8×8 的块，每块写成 64 个固定波形之和，从平坦到最细。此时还没有损失：64 个像素变成 64 个系数。但"
        "系数并不平等，少数几个承载了大部分内容。这里只保留最粗的几个。",
        "64 个系数中保留的个数",
        "只用 64 个系数中的 6 个，景物仍可辨认。丢掉了什么？",
        "边缘和纹理：在几个像素内发生的变化需要细的波。学习得到的分析变换做的是同类的事，只是波形由它自己选择，范围"
        "更大，而且是非线性的。",
    ),
    (
        "3 · 取整：有损的一步",
        "系数是实数，文件里只有整数。编码时除以步长并取整，解码时再乘回来。步长越大，不同的数越少，零越多，比特越少"
        "，误差越大。",
        "步长",
        "步长加倍，均方误差增加多少？",
        "步长远小于系数时，取整误差均匀分布在正负半个步长之间，均方为 步长²/12：变为四倍，即 6 dB，每个系数节省一个"
        "比特。比较步长 2、4 和 8，大致如此。步长再大，多数系数已经是零：误差增长变慢，节省也变少。",
    ),
    (
        "4 · 比特就是意外",
        "以概率 p 预料到的数值得 −log₂ p 个比特，区间编码器几乎能达到这个值。所以文件大小取决于预期。图中显示每块的"
        "比特数：所有系数共用一张表，或每种波各用一张表。表由这张图像统计而来，不计入大小。",
        "编码器的预期",
        "两种选择解码出完全相同的图像。省下的比特从何而来？",
        "来自事先知道得更多：细波几乎总是零，那里的零不算消息。学习型编码器更进一步：通过一个小的辅助通道和已解码的"
        "邻居，预测每一个数的分布宽度。",
    ),
    (
        "5 · 一起学习",
        "现在是神经网络编码器。它的变换、取整的精细程度和预期一起训练，目标是让一个和最小：R + λ·D，即每像素比特数加"
        "上 λ 乘均方误差。λ 是误差的价格。这里是真实的字节，并重新解码。",
        "λ：左边误差便宜，右边误差昂贵",
        "λ = 0 时最好的编码器会怎么做？λ 无穷大时呢？",
        "为 0 时误差不花钱：它什么也不发送，显示什么都可以；略大于 0 时，显示所有图像的平均。无穷大时只看误差，需要多"
        "少比特就花多少。其间每个 λ 给出率失真曲线上的一个点。",
    ),
    (
        "6 · 比特花在哪里？",
        "编码器自己的预期说明图像每一处花了多少。亮的块难以预料。λ 小时它只为最能改变图像的内容付费；λ 大时也为颗粒"
        "付费。",
        "误差的价格",
        "为什么虚化的背景不论多么鲜艳都几乎免费？",
        "颜色偶尔说一次就够了；花钱的是无法预料的变化。平滑区域可由邻居推知，它前面清晰的部分占去了文件的大部分。",
    ),
    (
        "7 · 生成式解码器编造了什么",
        "比特很少时，容不下每一根头发。为最小误差训练的解码器显示所有可能的平均：一片模糊。生成式解码器显示其中一种"
        "可信的版本：清晰，但部分是编造的。在两者之间移动；字节是相同的。",
        "从最小误差到可信细节",
        "编造一根头发无伤大雅。在哪里应当禁止这样的解码器？",
        "凡是图像作为证据的地方：医学、法庭、车牌、地图。看似细节的东西并没有被传输。HiFiC（2020）令人信服，因为它"
        "的编造是可信的，而可信并不等于真实。",
    ),
)

LANGUAGES = {"en": ENGLISH, "fr": FRENCH, "zh-CN": CHINESE}
OTHERS = {
    "en": {
        "answer": "Answer",
        "link": "Link to this step",
        "all": "one table for all",
        "each": "a table for each wave",
        "lesson": "Lesson",
    },
    "fr": {
        "answer": "Réponse",
        "link": "Lien vers cette étape",
        "all": "une table pour tous",
        "each": "une table par onde",
        "lesson": "Leçon",
    },
    "zh-CN": {"answer": "答案", "link": "本步链接", "all": "共用一张表", "each": "每种波一张表", "lesson": "课程"},
}


def translations() -> dict[str, dict[str, str]]:
    """For `gr.I18n`: language -> key -> text. Keys: "lesson_3_title" and so on."""
    found = {}
    for language, steps in LANGUAGES.items():
        texts = {f"lesson_{k}": v for k, v in OTHERS[language].items()}
        for number, step in enumerate(steps, 1):
            texts |= {f"lesson_{number}_{part}": text for part, text in zip(PARTS, step, strict=True)}
        found[language] = texts
    return found
