"""Common passwords: guessers try these first. Refused in any case (upper or lower).

Source: written for Parley from the patterns that all published counts of leaked
passwords share (words, names, keyboard walks, runs of digits, and the few endings
that people append); no list of leaked passwords was copied. Passwords shorter than
the shortest allowed are not included.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Final

from chat_core.model.limits import PASSWORD_LENGTH_MIN

LEAST: Final = 3000  # the documented minimum

# Common on their own, and long enough.
_ALONE: Final = """
0987654321 0123456789 1029384756 11112222 112233445566 11223344 123123123 123321123 12341234 123412345
1234567890 123456789 12345678910 12345678 123454321 1234554321 1234567891 123456789a 12345678a 1234qwer
1234abcd 12qwaszx 13579246810 135792468 147258369 147852369 159357258 159753456 159951159 18436572
1a2b3c4d 1a2b3c4d5e 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 1qazzaq1 1password
1passwor 1michael 1qwertyu 1234567q 1234567a 123456aa 123456ab 123456qq 123qweasd 123qweasdzxc 123abc123
123456abc 123456asd 123456qwe 123456qwerty 1234qwerasdf 147896325 159357456 19871987 20082008 21122112
741852963 753951456 78945612 789456123 7894561230 87654321 88888888 963852741 987654321 9876543210 99887766
a1b2c3d4 a1b2c3d4e5 a123456789 a12345678 a1234567 aa123456 aa12345678 aaaa1111 ab123456 abc12345
abc123456 abc123abc abcd1234 abcd12345 abcd123456 abcdefgh abcdefghi abcdefghij abcdef123 abcabcabc
adminadmin admin1234 administrator adgjmptw alexander alexandra amsterdam andromeda angelofdeath
anthony1 aq1sw2de3 aqwzsxedc arsenal1 asd123456 asdasdasd asdf1234 asdfasdf asdfghjk asdfghjkl
asdfghjkl1 asdf123456 asdfjkl1 asdqwe123 asdzxc123 azertyuiop azerty123 azerty12 babygirl1 baseball1
basketball bismillah blink182 bonjour1 bullshit butterfly california caroline catherine changeit
changeme changeme1 changeme123 charlotte cheesecake chevrolet chocolate chouchou christian christina
christine christopher cinderella cocacola computer1 consumer courtney creative cristian dallas22
danielle darkness daddysgirl defender depeche1 diamonds dolphins dragonball dragon123 elephant
elizabeth emmanuel enterprise eternity everlast everton1 facebook facebook1 favorite fernando
ferrari1 fishing1 fktrcfylh flowers1 football1 football12 forever1 fountain francesca francisco
freedom1 friendship fuckoff1 fuckyou1 fuckyou2 fuckyou123 garfield1 gabriela gabriel1 gateway1
gfhjkm123 giovanni goldfish golfball goodluck goodmorning graduate greenday1 grandma1 hahahaha
hallo123 harrypotter hellohello hello123 hello1234 hello12345 hellokitty helpme123 holidays homework
iloveyou iloveyou! iloveyou1 iloveyou12 iloveyou123 iloveyou2 iloveyou3 iloveyou7 iloveyouso
iloveu123 ihateyou iloveme1 imissyou internet ironmaiden isabella japanese jennifer jessica1 jesus123
jesuschrist johncena johnson1 jonathan jordan23 juventus karolina katherine kawasaki kimberly
kingkong knockout lakers24 lasvegas lebron23 leonardo letmein1 letmein123 letmeinnow liverpool
liverpool1 lol123456 lollipop1 loveyou1 lovelove loveme123 lovers12 ma123456 madison1 magdalena
manchester manutd123 margarita marlboro marseille masterkey matthew1 maximus1 mazda323 mercedes
metallica michael1 michelle microsoft midnight mississippi mnbvcxz1 monkey123 monster1 montgomery
motorola mountain mustang1 myspace1 mypassword natalie1 nicholas nichole1 nintendo nopassword
november nothing1 oblivion october1 olamide1 onedirection orange12 p@ssw0rd p@ssword pa55word pa55w0rd
pakistan panther1 paradise passport passw0rd passw0rd1 password password! password!1 password01
password0 password00 password1 password1! password10 password11 password12 password123 password1234
password2 password21 password3 password4 password5 password6 password7 password8 password9 password99
passwort passwordpassword patricia pa$$word pa$$w0rd p4ssw0rd p4ssword pass1234 pass12345 passpass
peaches1 personal peterpan phantom1 pickles1 pikachu1 platinum pokemon1 poohbear popcorn1 portugal
precious princess princess1 princesa private1 progress qazwsxed qazwsxedc qazwsx123 qazxswedc q1w2e3r4
q1w2e3r4t5 q1w2e3r4t5y6 qqww1122 qweasdzxc qweasd123 qwe123456 qwe123qwe qwer1234 qwerasdf qwerqwer
qwert123 qwert12345 qwerty01 qwerty1! qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456 qwertyui
qwertyuiop qwertyu1 qwertz123 qwertzui qwertzuiop rainbow1 realmadrid rebecca1 redskins remember
rjntyjr1 robinhood rockstar1 rosebud1 runescape samantha samsung1 santiago sarahsarah saturday
scarface school12 scooby12 scorpion sebastian seahorse secret123 september sexylady shadow12
shalom12 sheffield shopping simpsons skywalker slipknot snickers snowball softball sommer12
spiderman spiderman1 spongebob spongebob1 starcraft stargate starlight starwars starwars1 stephanie
strawberry sunflower sunshine sunshine1 superman superman1 superstar sweetheart swordfish system32
teddybear tequila1 test1234 testtest testing1 testing123 test12345 thebeatles thuglife tinkerbell
tottenham trfnthbyf trustno1 trustnoone twilight ultimate undertaker universal unicorns valentina
valentine vanessa1 veronica victoria virginia volkswagen voyager1 wachtwoord waterloo webmaster welcome1
welcome01 welcome12 welcome123 welcome2 whatever whatever1 whocares wildcats william1 windows1 wolverine
woaini123 woaini1314 woaini520 wrestling wwwwwwww xbox360x xxxxxxxx yankees1 yourmom1 zaq12wsx zaq1xsw2
zaq1zaq1 zaqxswcde zxasqw12 zxc123456 zxcv1234 zxcvbnm1 zxcvbnm, zxcvbnm123 zxcvbnma zxczxczxc zzzzzzzz
correcthorse correcthorsebatterystaple letmeinplease opensesame fuckthis asshole1 motherfucker
contrasena contraseña motdepasse parola123 lozinka1 hasło123 passwort1 passwort123 senha123 parole123
"""

# Words that people extend with an ending: words, names, teams, months, keys.
_WORDS: Final = """
abc abcd abcdef access admin adidas alex alexis alice amanda america amigos andrea andrew angel angela
angelo animal anna anthony apple april arsenal asdf asdfgh ashley asshole august austin azerty baby babygirl
badboy bailey banana barbie barcelona barney baseball basket batman beautiful bella benfica berlin
bigdaddy biteme black blessed blonde blue bond boomer boston brandon brazil brian bridge brother bubba
buddy buster butter camera canada captain carlos carolina casper champion chance change charles charlie
chelsea cherry chester chicago chicken china chris classic claudia coffee compaq computer cookie cooper
corvette country cowboy cowboys crazy crystal daddy dakota dallas dance daniel david death december demo
denise dennis denver destiny diablo diamond doctor dollar dolphin donald dragon dreams eagle eagles eclipse
edward eminem emily england eric falcon family fantasy ferrari fender fishing florida flower football
forever france freddy free freedom friday friend friends fucker fuckme fuckyou galaxy games garfield gemini
george germany ginger gloria golden golf google gordon grace green guitar hammer hannah happy harley heaven
heather hello henry hockey home honda honey hunter iceman iloveyou india inter jackie jackson jaguar jake
james january jasmine jason jasper jennifer jeremy jesse jessica jesus john johnny jordan joseph joshua
juice julia july june junior justin karina kelly kevin killer king kitty knight lakers lauren legend letmein
liverpool login lol london louise love lovely loveme lover lucky lucy machine madison madonna maggie
magic manager marcus maria marina mark marley martin marvin master matrix matthew maverick max maxwell mercury
merlin mexico miami michael michelle mickey mike miller molly money monica monkey monster morgan mother
muffin murphy music mustang nascar natasha nathan naruto newyork nicole nissan nokia nova oliver olivia
orange pacific pamela panther paris parker pass password patrick paul peace peanut pepper peter phoenix
pirate playboy player please pokemon police porsche power prince princess private pumpkin purple pussy
qazwsx qwe qwer qwert qwerty qwertz rabbit rachel racing raiders rainbow ranger rangers rebel red richard
robert rocket rocky ronaldo root rose royal russia samson samsung sandra sarah saturn scooter scott
secret sergio server sexy shadow shannon silver simone skippy slayer smokey snoopy soccer sophie spain
sparky spider spring star steelers stella steven summer sunday sunny sunshine super superman support
system taylor teacher tennis test thomas thunder tiger tigger toyota travis trouble turtle user vampire
victor victory viking vincent warrior welcome whatever william willow wilson winner winter wizard wolf
xavier yamaha yankee yankees yellow zxc zxcvbn zxcvbnm
"""

_ENDINGS: Final = (
    *(
        "",
        "!",
        "!!",
        "!1",
        "0",
        "00",
        "007",
        "01",
        "1",
        "1!",
        "10",
        "11",
        "111",
        "12",
        "12!",
        "121",
        "123",
        "123!",
    ),
    *(
        "1234",
        "1234!",
        "12345",
        "123456",
        "1234567",
        "12345678",
        "13",
        "14",
        "15",
        "2",
        "21",
        "22",
        "23",
        "24",
        "3",
    ),
    *("321", "4", "5", "6", "666", "69", "7", "77", "777", "8", "88", "9", "99", "@1", "@123", "_1", "_123"),
    *("1990", "1991", "1992", "1995", "1999", "2000", "2001", "2005", "2008", "2010", "2012", "2015", "2018"),
    *("2019", "2020", "2021", "2022", "2023", "2024", "2025", "2026"),
)
_ROWS: Final = (
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertzuiop",
)
_CHARACTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyz.*!"


# Birth dates, in each order in which people write them without separators.
_DAY, _MONTH, _YEAR = "(?:0[1-9]|[12][0-9]|3[01])", "(?:0[1-9]|1[0-2])", "(?:19[3-9][0-9]|20[0-4][0-9])"
_DATE: Final = re.compile(f"{_DAY}{_MONTH}{_YEAR}|{_MONTH}{_DAY}{_YEAR}|{_YEAR}{_MONTH}{_DAY}")


def is_weak(password: str) -> bool:
    """Whether the password is common (in upper or lower case) or a date."""
    return _DATE.fullmatch(password) is not None or password.casefold() in weak_passwords()


@cache
def weak_passwords() -> frozenset[str]:
    """All common passwords, in lower case. Built on first use."""
    return frozenset(word.casefold() for word in _all() if len(word) >= PASSWORD_LENGTH_MIN)


def _all() -> Iterator[str]:
    yield from _ALONE.split()
    words = _WORDS.split()
    for word, ending in product(words, _ENDINGS):
        yield word + ending
    for word in words:
        yield word + word
        yield word[::-1]
        yield word.translate(str.maketrans("aeios", "@310$")) + "123"
    for row in _ROWS:
        for length in range(PASSWORD_LENGTH_MIN, len(row) + 1):
            yield row[:length]
            yield row[:length][::-1]
    for character, length in product(_CHARACTERS, range(PASSWORD_LENGTH_MIN, 17)):
        yield character * length
    for pair in product("0123456789", repeat=2):
        yield "".join(pair) * 4
        yield "".join(pair) * 5
