#!/usr/bin/env python3
"""Records what Python's jinja2, set up as transformers does it, makes of templates: tests/golden/templates/*.json.

Usage: make_templates.py [--out DIR]   (needs transformers >= 5 and jinja2 >= 3.1.6; fixed clock, no network)

expressions.json   small templates over the fixed variables below
chats.json         our own chat templates, templates/*.jinja, over many conversations
shared_chats.json  the same for the templates of ../shared, where it is there
"""
import argparse
import copy
import datetime
import hashlib
import itertools
import json
import os
import re
import sys

import jinja2
import transformers.utils.chat_template_utils as utils

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = datetime.datetime(2026, 3, 7, 9, 5, 3)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 7, 9, 5, 3)


utils.datetime = Clock

VARIABLES = {
    "s": "Hello, World", "e": "", "u": "Grüße, 世界 🙂!", "ws": "  \t padded text \n", "lines": "one\ntwo\r\nthree\n\nfive",
    "i": 42, "neg": -7, "zero": 0, "f": 3.75, "big": 1e300, "small": 1.5e-7, "t": True, "fa": False, "n": None,
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "el": [], "nested": [[1, 2], [3], []], "mixed": [1, "a", None, 2.5, True],
    "d": {"b": 1, "a": "two", "C": None}, "ed": {}, "deep": {"x": {"y": [{"z": "found"}]}},
    "users": [{"name": "Ann", "age": 31, "tags": ["x", "y"]}, {"name": "bob", "age": 25, "tags": []},
              {"name": "Cid", "age": 31, "tags": ["z"], "admin": True}],
    "html": "<a href=\"x\">it's & more</a>", "items": {"items": 1, "get": 2, "keys": 3},
}


class Recorder:
    def __init__(self):
        self.cases, self.seen = [], set()

    def add(self, source, variables=None):
        """Records one template; drops what has an address in its text or a number that needs more than 64 bits."""
        if source in self.seen:
            return
        self.seen.add(source)
        result = render(source, VARIABLES if variables is None else variables)
        shown = result[0] if result[0] is not None else result[2]
        if re.fullmatch(r"\(.*j\)", shown) or "|pprint" in source:  # complex numbers, and a filter that is left out
            return
        if re.search(r"0x[0-9a-f]{8,}", shown) and "object at" in shown or " at 0x" in shown or "&lt;" in source:
            return
        if result[0] is not None and re.search(r"(?<![\d.])\d{19,}(?!\.?\d*e)", shown) and not re.search(r"'0'|x'|\.0$", shown):
            return
        self.cases.append([source, result[0]] if result[0] is not None else [source] + result)

    def expression(self, text):
        self.add("{{ " + text + " }}")


def render(source, variables):
    """[text, None, None] or [None, class of the error, its message]."""
    try:
        # A copy: the filter indent extends a list that it is given.
        return [utils._cached_compile_jinja_template(source).render(**copy.deepcopy(variables)), None, None]
    except Exception as error:  # noqa: BLE001 - any Python exception is a result here
        return [None, type(error).__name__, str(error)]


OPERANDS = ["0", "1", "-3", "7", "2.5", "-0.5", "1e20", "true", "none", "'ab'", "''", "'é🙂'", "[1, 2]", "[]", "(1, 'x')",
            "{'a': 1}", "missing"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in", "not in"]
FILTERS = """abs capitalize center(11) count default('D') default('D',true) dictsort dictsort(true) dictsort(false,'value')
dictsort(reverse=true) escape filesizeformat first float float(9) format forceescape groupby('age') indent indent(2,true)
indent('>>',true,true) int int(5) int(base=16) items|list join join(', ') join('-',attribute='name') last length list lower
map('upper')|list map(attribute='name')|list map(attribute='admin',default='no')|list max min max(attribute='age')
min(attribute='name') reject('none')|list rejectattr('admin')|list replace('l','L') replace('l','L',1) reverse|list reverse
round round(1) round(1,'ceil') round(1,'floor') safe select|list select('odd')|list select('string')|list
selectattr('age','eq',31)|list selectattr('admin')|list slice(2)|list slice(3,'-')|list sort sort(true)
sort(case_sensitive=true) sort(attribute='age') sort(attribute='age,name') string sum sum(attribute='age') sum(start=10)
title tojson tojson(indent=2) tojson(sort_keys=true) tojson(ensure_ascii=true) tojson(separators=(',',':')) trim trim('Hd')
truncate(5) truncate(5,true) truncate(9,false,'…') truncate(5,true,'',0) unique|list unique(true)|list
unique(attribute='age')|list upper urlencode wordcount xmlattr batch(2)|list batch(2,'-')|list attr('name')
attr('upper') e d('x') nofilter""".split()
FILTER_INPUTS = ["s", "e", "u", "ws", "lines", "i", "neg", "f", "t", "n", "l", "ls", "el", "nested", "mixed", "d", "ed",
                 "users", "html", "missing", "range(4)", "d.items()", "'42'", "' -7 '", "'3.9'", "'0x1F'", "'inf'", "(2, 1)"]
TESTS = """boolean callable defined divisibleby(3) divisibleby(0) eq(42) equalto(42) even false filter float ge(1) gt(1)
in([1,42,'x']) in('Hello') integer iterable le(42) lower lt(42) mapping ne(42) none number odd sameas(42) sameas(none) sequence
string test true undefined upper escaped greaterthan(3) lessthan(3) notest""".split()
STRINGS = ["s", "u", "ws", "lines", "e", "'ǅungla ßtraße ΑΣ ΣΑΣ'", "'a,b,,c'", "'123'", "'①²Ⅷ'", "'they\\'re Bill\\'s'",
           "'xxabxx'", "'ﬁn İi ŉ'"]
METHODS = """upper() lower() title() capitalize() swapcase() casefold() strip() lstrip() rstrip() strip('x') lstrip('Hx')
rstrip('x!d') split() split(',') split(None,1) split(' ',1) split('') rsplit(',',1) rsplit() rsplit(none,1) splitlines()
splitlines(true) replace('l','L') replace('l','L',1) replace('','-') replace('a','') startswith('He') startswith(('x','H'))
endswith('d') endswith('') startswith('l',2) endswith('ell',0,4) find('l') find('zz') find('l',4) find('') rfind('l')
index('l') index('zz') count('l') count('') count('l',3) join(['a','b']) join('xyz') join([1]) isdigit() isdecimal()
isnumeric() isalpha() isalnum() isspace() isupper() islower() istitle() isascii() isidentifier() isprintable()
removeprefix('He') removesuffix('ld') removesuffix('') partition(',') rpartition(',') partition('zz') center(20)
center(15,'*') ljust(15,'.')  rjust(15) zfill(6) zfill(2) expandtabs(4) nomethod nomethod() format() upper
strip(1) split(1) encode""".split()
SLICE_PARTS = ["", "0", "2", "-2", "9", "-9"]
PERCENT = ["%s", "%5s|", "%-5s|", "%.2s", "%r", "%a", "%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%i", "%x", "%X", "%#x", "%o",
           "%e", "%.3e", "%f", "%.1f", "%8.2f", "%-8.2f|", "%08.2f", "%g", "%.3g", "%G", "%c", "%%", "%5%", "%q", "%", "%(a)s",
           "%(a)5s%(b)s", "%s%s", "%*d", "%.*f", "%#o", "%+.2f", "%u", "%ld", "% 5d"]
PERCENT_ARGS = ["'ab'", "5", "-5", "3.14159", "true", "none", "[1]", "('x', 2)", "(3, 7)", "{'a': 1, 'b': 'é'}", "'🙂'", "1e17",
                "missing", "()", "(4, 2.5)"]
BRACES = ["{}", "{0}{0}", "{:5}|", "{:<5}|", "{:>5}|", "{:^6}|", "{:*^7}", "{:05}", "{:+}", "{: }", "{:,}", "{:_}", "{:d}", "{:x}",
          "{:#x}", "{:b}", "{:o}", "{:e}", "{:.2f}", "{:.3}", "{:8.3f}|", "{:%}", "{:.1%}", "{:g}", "{:n}", "{!r}", "{!s:>6}", "{!a}",
          "{:{}}", "{a}", "{0[0]}", "{0.x}", "{{}}", "{", "}", "{:s}", "{:c}", "{:=6}", "{:06.2f}", "{:X}", "{:.0f}", "{:#.3g}", "{:,.2f}"]
BRACE_ARGS = ["'ab'", "5", "-1234567", "3.14159", "true", "none", "[1, 2]", "255, 8", "a='é'", "1e20", "2.0", "0.00001", "", "1234.5"]
OTHER = r"""
i if t else s~~i if fa else s~~i if fa~~(i if fa) is undefined~~1 if 0 else 2 if 0 else 3~~not t~~not not s~~not i == 42
-i~~+i~~- -i~~-f~~--i~~-s~~+t~~-t~~2 ** 3 ** 2~~-2 ** 2~~2 ** -1~~10 - 2 - 3~~2 + 3 * 4~~(2 + 3) * 4~~7 // 2 * 2~~1 < 2 < 3~~1 < 3 < 2
1 == 1.0 == true~~1 in [1] == true~~'a' in 'abc' and 'b' not in 'xyz'~~s[0]~~s[-1]~~s[99]~~s[99] is undefined~~u[-2]~~u[7:9]
u[::-1]~~l[0]~~l['0']~~l[1.0]~~l[true]~~d['a']~~d.a~~d['zz']~~d.zz~~d.zz.y~~d['zz']['y']~~missing.x~~missing['x']~~missing()
n.x~~n['x']~~i.x~~i.real~~f.is_integer()~~2.0.is_integer()~~i.bit_length()~~deep.x.y[0].z~~deep.x.y.0.z~~deep['x']['y'][-1]['z']
items.items~~items['items']~~items.items()~~items.get~~items['get']~~d.pop('a')~~d.update({})~~l.append(4)~~l.sort()~~d.__class__
s.__class__.__mro__~~d['__class__']~~''.__class__~~d.get('a')~~d.get('q')~~d.get('q', 'dflt')~~d.get('q', default=1)~~d.keys()
d.values()~~d.items()~~d.keys()|list~~d|list~~'a' in d.keys()~~'two' in d.values()~~('b', 1) in d.items()~~d.keys()[0]~~d.copy()
l.count(1)~~l.index(1)~~l.index(9)~~(1, 2, 1).count(1)~~ls.index('c')~~l.copy()~~range(5)~~range(5)|list~~range(2, 8, 3)|list
range(5, 0, -2)|list~~range(0)~~range(1, 9, 2)~~range(3)[1]~~range(10)[2:8:2]|list~~range(10)[::-1]|list~~3 in range(5)~~range(5).stop
range(1.5)~~range('a')~~range(1, 2, 0)~~range(1000000)~~range(5)|length~~range(5)|last~~range(3) == range(3)~~dict(a=1, b=2)
dict(d, z=3)~~dict([('k', 'v')])~~dict(1)~~dict([1])~~dict.fromkeys(['a'], 0)~~dict~~namespace(a=1)~~namespace(a=1).a~~namespace().q
namespace(_x=1)~~namespace({'p': 2}).p~~[1, 2, [3, {'k': 'v'}]]~~{'a': [1, (2,)], 1: none, none: true, 2.5: 'x'}~~(1,)~~()~~(1, 2)
[1, 2,]~~{'a': 1,}~~{'a': 1, 'a': 2}~~{1: 'a', true: 'b', 1.0: 'c'}~~{[1]: 2}~~{'x': missing}~~[missing]~~missing ~ 'x'~~missing or 'x'
missing == none~~missing == missing2~~missing is none~~missing in [1]~~1 in missing~~'a' in 1~~1 in 'abc'~~missing + 1~~1 + missing
'a' + missing~~missing|length~~missing|list~~missing|join~~missing|int~~missing|upper~~missing|tojson~~missing|e~~missing|trim
1.0~~1e3~~1e16~~1e15~~123456789012345680.0~~1.5e-5~~0.0001~~1e-4~~0.1 + 0.2~~1/3~~-0.0~~1e308 * 10~~-1e308 * 10~~(1e308 * 10) - (1e308 * 10)
5e-324~~2.5e+22~~1_000~~0x1f~~0o17~~0b101~~1_0.5_0~~1.e5~~.5~~'\n\t\\\'\"'~~'\x41\u00e9\U0001F642\101\q'~~"it's"~~'say "hi"'~~['it\'s']
["\"", "'", "'\""]~~['\n\r\t\\\x00\x1f\x7f\x80\xa0\xad\u200b\u2028\ufeff']~~['é🙂世']~~'a' 'b' "c"~~'a' ~ 1 ~ none ~ true ~ 2.5~~1 ~ 2
'%s and %s' % ('a', 'b')~~'%d%%' % 50~~'abc' * 2~~3 * 'ab'~~[1] * 3~~'a' * -1~~'a' < 'b'~~'a' < 1~~[1, 2] < [1, 3]~~[1] < ['a']~~(1, 2) < (1, 2, 3)
'Z' < 'a'~~'é' > 'z'~~'🙂' > '\uffff'~~none < 1~~true + true~~true == 1~~1.0 == 1~~'1' == 1~~[1] == (1,)~~[1, 2.0] == [1.0, 2]~~{'a': 1} == {'a': 1.0}
7 // -2~~-7 // 2~~-7 % 3~~7 % -3~~-7.5 // 2~~-7.5 % 2~~7.5 // -2~~7.5 % -2~~5 % 2.5~~1 // 0~~1 % 0~~1 / 0~~1.0 // 0~~0 ** 0~~0 ** -1~~2 ** 0.5~~(-8) ** 2
loop~~loop.index~~varargs~~caller~~s|upper|lower~~s|upper~'x'~~-l|first~~(l|sort)[0]~~l|sort|first~~users|map(attribute='tags')|map('length')|list
users|map(attribute='tags.0')|list~~users|map(attribute='tags.0', default='none')|list~~users|selectattr('age', 'gt', 30)|map(attribute='name')|join(', ')
users|rejectattr('tags')|map(attribute='name')|list~~users|groupby('age')|list~~users|groupby('age')|map(attribute='list')|map('length')|list
users|groupby('admin', default=false)|map('first')|list~~users|sum(attribute='age')~~users|map('upper')|list~~users|map('nofilter')|list
users|map()|list~~users|select('notest')|list~~ls|groupby(0)|list~~l|map('string')|map('center', 3)|list~~l|map('default', 'x')|list~~l|map('round', precision=1)|list
l|select('in', [1, 2])|list~~l|select('divisibleby', 2)|list~~l|select('>', 1)|list~~l|select('==', 1)|list~~l|reject('lt', 2)|list~~mixed|select('number')|list
l|map('abs')|length~~l|map('abs')|first~~l|map('abs')|last~~(l|map('abs'))[0]~~l|map('abs')|tojson~~l|map('abs') is defined~~el|map('abs')|list
l|map('abs') is iterable~~l|map('abs') is sequence~~l|reverse|length~~l|reverse|first~~'abc'|reverse~~d|items|first~~1|items|list~~d|reverse|list
'a b c'|title~~'hello-world (foo) [bar] a_b'|title~~'ÉCOLE élève'|title~~'ab' is upper~~'AB' is upper~~'A1' is upper~~'' is lower~~'1' is lower
5 is divisibleby 5~~5 is divisibleby(2)~~5 is not divisibleby 2~~4 is even~~4.0 is even~~'a' is even~~5 is in [5]~~5 is not in [5]~~5 is sameas 5~~none is sameas none
s is string and i is number~~i is odd or i is even~~i is eq 42 and t~~i is eq(42) == true~~s is defined and missing is undefined~~'upper' is filter~~'nope' is filter
'odd' is test~~s is upper is true~~range is callable~~s.upper is callable~~missing is callable~~d is mapping~~l is mapping~~l is sequence~~d is sequence~~d.items() is sequence
i is iterable~~s is iterable~~missing is iterable~~2.5|round~~3.5|round~~0.5|round~~1.5|round~~2.675|round(2)~~1e20|round~~-2.5|round~~1234.5|round(-2)~~1250|round(-2)~~1350|round(-2)
-1250|round(-2)~~2.1|round(0,'ceil')~~-2.1|round(0,'floor')~~2|round(0,'ceil')~~2.5|round(1,'nope')~~2.5|round(none)~~42.55|round(1)~~5|round|tojson~~'x'|round
'1_000'|int~~'1__0'|int~~' 12 '|int~~'1e3'|int~~'abc'|int~~'abc'|int(-1)~~'ff'|int(0,16)~~'0b11'|int(0,2)~~'0o17'|int(0,0)~~'0x1f'|int(0,0)~~'z'|int(0,36)~~'１２'|int~~none|int~~[]|int~~true|int~~3.99|int~~-3.99|int
'1.5e3'|float~~' 2 '|float~~'x'|float~~'x'|float('y')~~'nan'|float~~'inf'|float~~'-Infinity'|float~~none|float~~'1_0.5'|float~~true|float
[1,2,3]|sum(start=0.5)~~[[1],[2]]|sum(start=[])~~['a']|sum~~['a','b']|sum(start='')~~[]|sum~~[1.5, 2]|sum~~[]|min~~[]|max is undefined~~[1,'a']|min~~['b','A']|min~~['b','A']|min(true)~~[[2],[1]]|sort
[1,'a']|sort~~[none, 1]|sort~~['b','A','a','B']|sort~~['b','A','a','B']|sort(case_sensitive=true)~~['b','A','a','B']|sort(reverse=true)~~[3,1,2]|sort(reverse=true)~~[true, 2, 0.5]|sort~~[(1,'b'),(1,'a')]|sort
['a','A','b']|unique|list~~[1, 1.0, true, 2]|unique|list~~[[1],[1]]|unique|list~~'aAb'|unique|list~~'hello'|list~~u|list~~u|length~~u|upper~~'🙂'|length~~'e\u0301'|length~~u|reverse
{'b':1,'a':2}|dictsort~~{'b':1,'A':2,'a':0}|dictsort~~{'b':1,'a':2}|dictsort(by='value')~~{'b':1,'a':2}|dictsort(by='nope')~~{1:1,'a':2}|dictsort~~{'a':'x','b':'A'}|dictsort(false,'value')
{'a': 1, 'b': [true, none, 1.0, 'é"\n\u2028<>&\'']}|tojson~~{1: 2, none: 3, true: 4, 2.5: 5}|tojson~~{(1,2): 3}|tojson~~(1, 2)|tojson~~range(2)|tojson~~namespace(a=1)|tojson~~'\x00\x1f\x7f/'|tojson
[]|tojson(indent=2)~~{}|tojson(indent=2)~~{'a': [], 'b': {}, 'c': [1, {'d': 2}]}|tojson(indent=2)~~[1,[2]]|tojson(indent=0)~~[1,[2]]|tojson(indent='--')~~[1,[2]]|tojson(indent=none)~~[1,[2]]|tojson(indent=true)~~[1]|tojson(indent=-1)
{'b':1,'a':{'d':1,'c':2}}|tojson(sort_keys=true)~~{'b':1,1:2}|tojson(sort_keys=true)~~'é🙂\x7f'|tojson(ensure_ascii=true)~~[1,2]|tojson(separators=(';',':'))~~{'a':1}|tojson(indent=1, separators=(', ',' = '))~~1e400|tojson
(1e308*10)|tojson~~1e16|tojson~~d|tojson|length~~'x'|tojson ~ '!'~~d|tojson(2)~~d|tojson(false, 2)~~tojson~~'foo bar baz qux'|truncate(9)~~'foo bar baz qux'|truncate(9, true)~~'foo bar baz qux'|truncate(11)~~'foo bar baz qux'|truncate(11, false, '...', 0)
'foobarbaz'|truncate(2)~~'x y'|wordcount~~'a-b c_d é'|wordcount~~''|wordcount~~'a b&c/d=é'|urlencode~~{'a b': 'c&d', 'é': 1}|urlencode~~[('a', 1), ('b', '/')]|urlencode~~5|urlencode~~'a'|center(6)~~'a'|center(7)~~'ab'|center(7)~~'ab'|center(6)~~'ab'|center(1)
{'class': 'x y', 'missing': none, 'id': '<1>'}|xmlattr~~{'a b': 1}|xmlattr~~{}|xmlattr~~{'a':1}|xmlattr(false)~~'%s-%s'|format(1, 'a')~~'%(x)s'|format(x=5)~~'%s'|format~~'x'|format(1)~~'%s'|format(1, x=2)~~'a\nb\n\nc'|indent~~'a\nb\n\nc'|indent(2, true, true)~~'a\n'|indent
''|indent(2, true)~~5|indent~~'abc'|batch(2)|list~~[1,2,3,4,5]|batch(2)|list~~[1,2,3]|batch(2,'x')|list~~[1,2,3,4,5]|slice(3)|list~~[1,2,3,4,5]|slice(3,'x')|list~~[1]|slice(0)|list~~'abcd'|slice(2)|list~~'a.b'|replace('.', '')~~123|replace(2, 'x')~~'aaa'|replace('a','b',2)~~'abc'|replace('','-')~~'abc'|replace('','-',2)
joiner()~~joiner('|')()~~cycler()~~cycler('a','b').next()~~cycler('a').current~~lipsum is defined~~raise_exception('boom')~~raise_exception('no: ' ~ i)~~raise_exception()~~strftime_now('%Y-%m-%d')~~strftime_now('%d %b %Y')~~strftime_now('%H:%M:%S %j %A %p %-d %%')
strftime_now('')~~strftime_now('%f')~~strftime_now()~~strftime_now(1)~~s.upper.__self__~~s['upper']()~~s|attr('upper')~~(s|attr('upper'))()~~d|attr('a')~~d|attr('a') is undefined~~users[0]|attr('name') is undefined~~s.format~~'{}'.format(1)~~'{a.x}'.format(a={'x': 1})~~'{0[a]}'.format({'a': 5})~~'{}'.format_map({'a': 1})~~'{a}'.format_map({'a': 1})
'{0.__class__}'.format(s)~~u.find('世')~~u.index('🙂')~~u.split(',')[1].strip()~~u.replace('ü', 'ue')~~u.center(20, '·')~~s[1:4]~~s[-5:]~~s[:-1]~~s[::2]~~s[::-2]~~s[5:2]~~s[2:5:-1]~~s[5:2:-1]~~l[1:]~~l[::-1]~~l[-2:]~~(1,2,3)[1:]~~l[::0]~~l['a':]~~l[1.5:]~~l[none:2]~~i[1:]~~missing[1:]~~d['a':]~~n[1:]~~s[true:]~~l[:true]~~l[missing:]
*l~~range(*[1, 4])|list~~dict(**d)~~dict(**{'x': 1}, y=2)~~range(*5)~~dict(**5)~~(1, 2)|join~~s if s else~~1 +~~(1~~[1~~{1}~~{1:}~~1 2~~a b~~'unclosed~~1 ||upper~~1|~~1 is~~x y z~~s.~~s[~~s[]~~s[1,2]~~s.1.2~~}~~)~~@~~$x~~a?b~~a = 1~~not~~in~~if~~1 if~~()()~~''()~~1()~~none()~~true.x~~'a'.upper().lower()~~[1,2].0~~{'a':{'b':{'c':1}}}.a.b.c~~é~~naïve~~名前~~x²
true and none~~none or false or 0~~0 or '' or []~~1 and 'x'~~[] and 1~~(none or {}).get('x')~~(missing or {}).get('x', 'dflt')~~t and not fa~~t or missing.x~~fa and missing.x~~i > 40 and i < 50~~0 < i <= 42~~i == 42 != 43~~True~~False~~None~~true is true~~True is True~~TRUE~~Null
"a\
b"~~'é\é'~~'\u00'~~'\xZ'~~'\8'~~'\0'|length~~'\777'~~"tab\there"~~'{{'~~'}}'~~"{% raw %}"~~'#}'~~{'a': {'b': 1}}~~{'a': {'b': {}}}~~[[[]]]~~(((1)))~~{}|length~~{{}}~~{ 'a' : 1 }['a']~~not 1 in [1]~~not (1 in [1])~~1 not in [1]~~- 1 in [-1]~~2 in [1] + [2]~~1 + 1 in [2]~~1 + 1 is eq 2~~(1 + 1) is eq 2~~-1|abs~~(-1)|abs~~2**-1|abs~~'a'~'b'|upper~~('a'~'b')|upper~~'a' + 'b'|upper~~s|length > 5~~l|length == 3 and t~~s|default('x')|upper ~ 1
"""
TEMPLATES = r"""
{% set x = 5 %}{{ x }}||{% set a, b = 1, 2 %}{{ a }}{{ b }}||{% set a, b = [1, 2, 3] %}||{% set a, b = 'xy' %}{{ b }}{{ a }}||{% set (a, b), c = (1, 2), 3 %}{{ a }}{{ b }}{{ c }}||{% set x %}block {{ i }}{% endset %}[{{ x }}]||{% set x | upper %}block{% endset %}{{ x }}||{% set x | upper | replace('B', '*') %}block{% endset %}{{ x }}
{% set ns = namespace(c=0) %}{% for x in l %}{% set ns.c = ns.c + x %}{% endfor %}{{ ns.c }}||{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns }}||{% set s.x = 1 %}||{% set nope.x = 1 %}||{% set ns = namespace() %}{% set ns._x = 1 %}||{% set d.x = 1 %}||{% set ns = namespace(l=[]) %}{% for x in l %}{% set ns.l = ns.l + [x * 2] %}{% endfor %}{{ ns.l }}
{% for x in l %}{{ x }},{% endfor %}||{% for x in el %}{{ x }}{% else %}empty{% endfor %}||{% for x in l %}{{ x }}{% else %}empty{% endfor %}||{% for x in missing %}{{ x }}{% else %}none{% endfor %}||{% for x in i %}{% endfor %}||{% for x in none %}{% endfor %}||{% for c in u %}{{ c }}.{% endfor %}||{% for k in d %}{{ k }}{% endfor %}||{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}||{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}
{% for a, b in [[1, 2], [3, 4]] %}{{ a }}-{{ b }} {% endfor %}||{% for a, b in [[1, 2, 3]] %}{% endfor %}||{% for a, b in [[1]] %}{% endfor %}||{% for a, b in [1] %}{% endfor %}||{% for (a, b), c in [((1, 2), 3)] %}{{ a + b + c }}{% endfor %}||{% for x in 1, 2, 3 %}{{ x }}{% endfor %}||{% for x in l if x > 1 %}{{ x }}{% endfor %}||{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}||{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}
{% for x in ls %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}||{% for x in ls %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}||{% for x in ls %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}||{% for x in ls %}{{ loop.cycle('odd', 'even') }} {% endfor %}||{% for x in [1,1,2,2,1] %}{{ loop.changed(x) }} {% endfor %}||{% for x in l %}{{ loop }} {% endfor %}||{% for x in l %}{{ loop.cycle() }}{% endfor %}
{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}||{% for x in l %}{% set outer = loop %}{% for y in [1, 2] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}||{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}||{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}||{% for x in l %}{% break %}{% else %}e{% endfor %}||{% break %}||{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}||{% for x in l|map('string') %}{{ loop.index }}{{ loop.last }}{{ x }} {% endfor %}||{% for x in l|select('gt', 1) %}{{ loop.length }}{{ loop.revindex }}{{ x }} {% endfor %}
{% for x in nested recursive %}[{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}@{{ loop.depth }}{% endif %}]{% endfor %}||{% for x in [{'n': 1, 'c': [{'n': 2, 'c': [{'n': 3}]}, {'n': 4}]}] recursive %}{{ loop.depth0 }}{{ x.n }}{% if x.c %}({{ loop(x.c) }}){% endif %}{% else %}leaf{% endfor %}||{% for x in l %}{{ loop(x) }}{% endfor %}||{% for loop in l %}{% endfor %}||{% for x in l %}{% set loop = 1 %}{% endfor %}||{% set loop = 1 %}{{ loop }}
{% set x = 1 %}{% for y in l %}{% set x = x + y %}{{ x }} {% endfor %}{{ x }}||{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}||{% if t %}{% set q = 2 %}{% endif %}{{ q }}||{% if fa %}{% set q = 2 %}{% endif %}{{ q }}|{{ q is defined }}||{% for x in l %}{% set last = x %}{% endfor %}{{ last }}||{% for x in l %}{{ q }}{% set q = x %}{{ q }}{% endfor %}||{% for x in [1] %}{{ i }}{% set i = 5 %}{{ i }}{% endfor %}{{ i }}||{% set i = i + 1 %}{{ i }}||{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}||{% with a = 1, b = a %}{{ b }}{% endwith %}||{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}||{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}
{% macro m(a, b=2, *c) %}{% endmacro %}||{% macro m(a, b='x') %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=1) }}{{ m() }}||{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}||{% macro m(a) %}{{ a }}{% endmacro %}{{ m(q=2) }}||{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}||{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(7) }}||{% macro m(a=b, b=1) %}[{{ a }}{{ b }}]{% endmacro %}{{ m() }}||{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}||{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}
{% macro m(n) %}{{ n }}{% if n > 0 %},{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(5) }}||{% macro m() %}{{ q }}{% endmacro %}{% set q = 1 %}{{ m() }}{% set q = 2 %}{{ m() }}||{% macro m() %}{% set i = 1 %}{{ i }}{% endmacro %}{{ m() }}{{ i }}||{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% for x in [9] %}{{ m() }}{{ x }}{% endfor %}||{% macro m() %}{% for x in l %}{{ loop.index }}{% endfor %}{% endmacro %}{{ m() }}||{% macro m() %}{{ loop.index }}{% endmacro %}{% for x in l %}{{ m() }}{% endfor %}||{{ m }}||{% macro m() %}x{% endmacro %}{{ m }}||{% macro m(a, b=1) %}{{ caller() }}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}
{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body {{ i }}{% endcall %}||{% macro m(x) %}{% for y in x %}{{ caller(y) }};{% endfor %}{% endmacro %}{% call(v) m(l) %}<{{ v }}>{% endcall %}||{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}||{% macro m() %}x{% endmacro %}{% call m() %}b{% endcall %}||{% macro m() %}{{ caller('a') }}{% endmacro %}{% call m() %}b{% endcall %}||{% call(x, y=2) missing() %}{% endcall %}||{% call s %}{% endcall %}||{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{% endcall %}||{% macro m(caller=none) %}{{ caller() if caller else 'no' }}{% endmacro %}{{ m() }}{% call m() %}yes{% endcall %}||{% macro o() %}({{ caller() }}){% endmacro %}{% macro m() %}{% call o() %}{{ caller() }}{% endcall %}{% endmacro %}{% call m() %}in{% endcall %}
{% filter upper %}a{{ s }}{% endfilter %}||{% filter replace('a', 'b') | upper %}aXa{% endfilter %}||{% filter nofilter %}{% endfilter %}||{% if fa %}{{ s|nofilter }}{% endif %}ok||{% if t %}{{ s|nofilter }}{% endif %}||{{ 'x' if t else s|nofilter }}||{% if fa %}{% for x in l %}{{ x|nofilter }}{% endfor %}{% endif %}||{% if s is notest %}{% endif %}||{% if fa %}{% elif fa %}b{% elif t %}c{% else %}d{% endif %}||{% if missing %}a{% else %}b{% endif %}||{% if el %}a{% endif %}{% if ed %}b{% endif %}{% if e %}c{% endif %}{% if 0.0 %}d{% endif %}{% if ' ' %}e{% endif %}{% if l|map('abs') %}g{% endif %}{% if el|map('abs') %}h{% endif %}||{% if 1, 2 %}tuple{% endif %}
{% generation %}{{ s }}{% endgeneration %}||a{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q }}||{% raw %}{{ x }}{% endraw %}||{% raw %}  {{ x }}  {%- endraw %}  y||a {%- raw -%} b {%- endraw -%} c||{%raw%}{%endraw%}||{% raw %}||{# comment #}a||a {#- c -#} b||{# a {{ b }} {% c %} #}x||{# open||a{#||{% autoescape false %}{{ html }}{% endautoescape %}||{% print 1, 2 %}||{% print %}||{% block b %}[{{ i }}]{% endblock %}||{% set q = 3 %}{% block b %}{{ q }}{% set q = 4 %}{% endblock %}{{ q }}||{% for x in l %}{% block b %}{{ x }}{% endblock %}{% endfor %}||{% do 1 %}||{% debug %}||{% trans %}x{% endtrans %}
{% if t %}||{% for x in l %}||{% endif %}||{% endfor %}||{% if t %}{% endfor %}||{% for x in l %}{% endif %}||{% else %}||{% nope %}||{% %}||{% 1 %}||{{ }}||{{||{%||{% if %}{% endif %}||{% for x l %}{% endfor %}||{% for in l %}{% endfor %}||{% for 1 in l %}{% endfor %}||{% for x.y in l %}{% endfor %}||{% for [a] in l %}{% endfor %}||{% for true in l %}{% endfor %}||{% set 1 = 2 %}||{% set x %}||{% set x = %}||{% set x = 1, 2 %}{{ x }}||{% set x = 1, %}{{ x }}||{% set a = b = 1 %}||{% macro %}{% endmacro %}||{% macro m %}{% endmacro %}||{% macro m(1) %}{% endmacro %}||{% macro m(a=1, b) %}{% endmacro %}||{{ f(a=1, 2) }}||{{ f(**d, *l) }}||{{ f(*l, *l) }}||{{ f(a=1, a=2) }}||{% set x: %}||{% if t: %}y{% endif %}||{% for x in l: %}{{ x }}{% endfor %}||{{ i }||{{ i }}}||{{{ 'a': 1 } }}||{% if t %}a{% else %}b{% else %}c{% endif %}
{% set x = joiner(', ') %}{% for y in l %}{{ x() }}{{ y }}{% endfor %}||{% set c = cycler('a', 'b') %}{% for y in l %}{{ c.next() }}{% endfor %}{{ c.current }}{{ c.reset() }}{{ c.current }}||{% set g = l|map('abs') %}{{ g|list }}{{ g|list }}||{% set g = l|select %}{{ g|first }}{{ g|list }}||{% set ns = namespace(x=1) %}{{ ns.x }}{{ ns['x'] }}{{ ns.y is defined }}{{ ns }}||{% set ns = namespace(f=true) %}{% for x in l if ns.f %}{{ x }}{% set ns.f = false %}{% endfor %}||{% set x = missing.y %}||{% set x = missing %}{{ x is defined }}{{ x }}||{% for x in l %}{{ x }}{{ ',' if not loop.last }}{% endfor %}||{% for m in users %}{{ m.name }}{% if m.admin is defined and m.admin %}*{% endif %}{% endfor %}
{% for x in range(3) -%} {{ x }} {%- endfor %}||{%- if t -%}  a  {%- endif -%}||a {{- i -}} b||a {{ i }} b||{% set f %}{% for x in l %}{{ x }}{% endfor %}{% endset %}{{ f|length }}||{{ '%s' % missing }}||{{ 'abc' % missing }}||{{ 'abc' % d }}||{{ 'abc' % 1 }}||{% set x = namespace(a=namespace(b=1)) %}{{ x.a.b }}{% set x.a.b = 2 %}||{% macro a() %}{% macro b() %}inner{% endmacro %}{{ b() }}{% endmacro %}{{ a() }}{{ b is defined }}||{% macro a(f) %}{{ f() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a(b) }}||{{ range(3)|map('string')|join }}||{{ [1,2,3]|map('multiply', 2)|list }}
"""
WHITESPACE = [
    "a\n", "a\n\n", "a\r\nb\rc\n", "  {% if t %}\nx\n  {% endif %}\ny", "  {{ i }}  \nx", "a\n  {% set q = 1 %}\n  b", "a  {% set q = 1 %}  b",
    "\n\n  {%- if t %}\n x {% endif -%}\n\n y", "{% if t +%}\nx{% endif %}", "a\n  {%+ if t %}x{% endif %}", "a\n  {%- if t %}x{% endif %}",
    "a\n\t{# c #}\nb", "a\n  {#- c #}\nb", "a {# c -#}\n\n b", "a {#+ c +#}\n b", "  {# c #}x", "\u00a0\u2003{% set q = 1 %}x", "a\n\u00a0 {% set q = 1 %}x",
    "{{ i -}}\n\n  x", "x  \n {{- i }}", "{% raw %}\n x {% endraw %}\ny", "a\n  {% raw %}x{% endraw %}", "a\n  {%- raw -%}\n x\n {% endraw %}",
    "a\n {% raw +%} x {% endraw +%}\nb", "{% for x in l %}\n  {{ x }}\n{% endfor %}\nend\n", "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\nend\n",
    "{%- for x in l %}\n    {{- x }}\n{%- endfor %}\n", "{% if t %}{% if t %}\n\nx{% endif %}\n{% endif %}\nz", "{%if t%}x{%endif%}", "{{i}}{{-i}}",
    "{% if t %}\r\nx\r\n{% endif %}\r\ny", "{{ 'a\r\nb' }}", "x{% if t %} \n y{% endif %}", "  {% if t %} {% endif %} {{ i }}", "\n{% set a = 1 %}\n\n{{ a }}\n\n",
    "{% set a = 1 -%}\n\n{{ a }}", "{% set a = 1 +%}\n\n{{ a }}", "a{% if t %}\n\n{% endif %}b", "{{ '\n' }}\n{% if t %}\n{{ i }}\n{% endif %}\n",
    "  \n  {% if t %}\n  x\n  {% endif %}  \n  y  \n", "{# a #}\n{# b #}\nc", "{# a #} {# b #}c", "a {% if t %}b{% endif %}\n  c", "{%+ if t +%} x {%+ endif +%} y",
    "{%-if t-%} x {%-endif-%} y", "{{-i-}}", "{{+i}}", "{{ i +}}", "{% macro m() %}\n  x\n{% endmacro %}\n[{{ m() }}]", "\u2028{% if t %}x{% endif %}", "a\x0b{% if t %}x{% endif %}",
]


def expressions():
    r = Recorder()
    for a, op, b in itertools.product(OPERANDS, OPERATORS, OPERANDS):
        r.expression(f"{a} {op} {b}")
    for value, name in itertools.product(FILTER_INPUTS, FILTERS):
        r.expression(f"{value}|{name}")
    for value, name in itertools.product(FILTER_INPUTS, TESTS):
        r.expression(f"{value} is {name}")
    for value, name in itertools.product(STRINGS, METHODS):
        r.expression(f"{value}.{name}")
    for value in ["s", "u", "l", "(4, 5, 6, 7)", "e"]:
        for a, b, c in itertools.product(SLICE_PARTS, SLICE_PARTS, ["", "1", "-1", "2", "-3"]):
            r.expression(f"{value}[{a}:{b}:{c}]" if c else f"{value}[{a}:{b}]")
    for text, args in itertools.product(PERCENT, PERCENT_ARGS):
        r.expression(f"'{text}' % {args}")
    for text, args in itertools.product(BRACES, BRACE_ARGS):
        r.expression(f"'{text}'.format({args})")
    for line in OTHER.strip("\n").split("\n"):
        for text in line.split("~~"):
            r.expression(text)
    for line in TEMPLATES.strip("\n").split("\n"):
        for text in line.split("||"):
            r.add(text)
    for text in WHITESPACE:
        r.add(text)
    return {"variables": VARIABLES, "cases": r.cases}


TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather at a place.", "parameters": {
        "type": "object", "properties": {
            "location": {"type": "string", "description": "City, e.g. \"Zürich\""},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "days": {"type": "array", "items": {"type": "integer"}}}, "required": ["location"]}, "return": {"type": "string"}}},
    {"type": "function", "function": {"name": "search", "description": "", "parameters": {
        "type": "object", "properties": {
            "query": {"type": ["string", "null"]}, "limit": {"type": "integer", "default": 10},
            "where": {"type": "object", "properties": {"site": {"type": "string"}, "fresh": {"type": "boolean"}},
                      "required": ["site"]},
            "sort": {"oneOf": [{"type": "string", "default": "new"}, {"type": "number", "description": "weight"}]},
            "rows": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}}}}},
    {"type": "function", "function": {"name": "ping"}},
]
CALLS = [{"id": "abcdefghi", "type": "function",
          "function": {"name": "get_weather", "arguments": {"location": "Zürich", "unit": "celsius", "days": [1, 2]}}}]
CALLS_TEXT = [{"id": "123456789", "type": "function", "function": {"name": "search", "arguments": "{\"query\": \"<b>\"}"}},
              {"id": "987654321", "type": "function", "function": {"name": "ping", "arguments": "{}"}}]
user, assistant, system = ({"role": r} for r in ("user", "assistant", "system"))
CONVERSATIONS = {
    "one": [user | {"content": "Why is the sky blue?"}],
    "system": [system | {"content": "Be brief. "}, user | {"content": " Hi there \n"}],
    "turns": [user | {"content": "Hi"}, assistant | {"content": "Hello!"}, user | {"content": "And?"},
              assistant | {"content": "Well…"}, user | {"content": "Go on"}],
    "system_turns": [system | {"content": "/no_think You rhyme."}, user | {"content": "a"}, assistant | {"content": "b"},
                     user | {"content": "c"}],
    "unfinished": [user | {"content": "Count"}, assistant | {"content": "one, two, "}],
    "unicode": [system | {"content": "你好\u2028"}, user | {"content": "Grüße 🙂\u00a0\u200d👩\u200d👩\u200d👧 \x07\x00 'q' \"w\" \\ </s> <|im_end|>"},
                assistant | {"content": "\u0301e\r\nname: \t"}, user | {"content": "ＡＢΣ"}],
    "empty_content": [user | {"content": ""}],
    "empty": [],
    "only_system": [system | {"content": "x"}],
    "two_users": [user | {"content": "a"}, user | {"content": "b"}],
    "starts_assistant": [assistant | {"content": "a"}, user | {"content": "b"}],
    "two_systems": [system | {"content": "a"}, system | {"content": "b"}, user | {"content": "c"}],
    "late_system": [user | {"content": "a"}, system | {"content": "b"}, user | {"content": "c"}],
    "odd_role": [{"role": "bystander", "content": "x"}],
    "developer": [{"role": "developer", "content": "Dev."}, user | {"content": "x"}],
    "no_content": [user],
    "none_content": [user | {"content": None}],
    "number_content": [user | {"content": 5}],
    "parts": [system | {"content": [{"type": "text", "text": "S"}]},
              user | {"content": [{"type": "image", "url": "x"}, {"type": "text", "text": " look "}, {"type": "text", "text": "!"}]}],
    "parts_unknown": [user | {"content": [{"type": "sound", "text": "la"}]}],
    "call": [user | {"content": "Weather?"}, assistant | {"content": None, "tool_calls": CALLS},
             {"role": "tool", "tool_call_id": "abcdefghi", "name": "get_weather", "content": "{\"t\": 21}"},
             assistant | {"content": "It is 21 °C."}, user | {"content": "Thanks"}],
    "call_open": [system | {"content": "S"}, user | {"content": "Weather?"}, assistant | {"content": "", "tool_calls": CALLS}],
    "calls_text": [user | {"content": "q"}, assistant | {"content": "Let me see", "tool_calls": CALLS_TEXT},
                   {"role": "tool", "tool_call_id": "123456789", "content": "r1"},
                   {"role": "tool", "tool_call_id": "987654321", "content": ["r2", 3]}],
    "call_short_id": [user | {"content": "q"}, assistant | {"content": None, "tool_calls": [CALLS[0] | {"id": "x"}]}],
    "result_alone": [user | {"content": "q"}, {"role": "tool", "content": "r"}],
    "thinking_tags": [user | {"content": "q"}, assistant | {"content": "<think>\nhm\n</think>\n\nanswer"}, user | {"content": "more"}],
    "reasoning": [user | {"content": "q"}, assistant | {"reasoning_content": "hm", "content": "a"}],
    "thinking": [user | {"content": "q"}, assistant | {"thinking": "hm", "content": "a"}, user | {"content": "r"},
                 assistant | {"reasoning": "ah", "content": "b"}],
    "long": [m for i in range(40) for m in (user | {"content": f"question {i} " * 3}, assistant | {"content": f"answer {i}\n" * 2})],
}
DOCUMENTS = [{"title": "On birds", "text": "A linnet\nis small."}, {"title": "b", "text": "", "secret": 1, "year": 1999}]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def requests():
    """name → the arguments of apply_chat_template."""
    out = {}
    for name in CONVERSATIONS:
        out[name] = {"messages": name}
        out[name + "+prompt"] = {"messages": name, "add_generation_prompt": True}
    for name in ("one", "system", "turns", "call", "call_open", "calls_text", "unicode", "empty", "parts", "thinking"):
        out[name + "+tools"] = {"messages": name, "tools": True, "add_generation_prompt": True}
    for name in ("one", "system_turns", "parts"):
        out[name + "+documents"] = {"messages": name, "documents": True, "add_generation_prompt": True}
    for name in ("unfinished", "unicode", "reasoning", "parts", "one", "no_content", "turns"):
        out[name + "+continue"] = {"messages": name, "continue_final_message": "content"}
    out["reasoning+continue_reasoning"] = {"messages": "reasoning", "continue_final_message": "reasoning_content"}
    out["one+no_thinking"] = {"messages": "one", "add_generation_prompt": True, "extra": {"enable_thinking": False}}
    out["call+builtin"] = {"messages": "call", "tools": True, "extra": {
        "builtin_tools": ["shell", "get_weather", "browser"], "tools_in_user_message": False, "date_string": "1 Jan 2026",
        "reasoning_effort": "high", "model_identity": "You are a finch."}}
    return out


def apply(source, request):
    """[text, spans in bytes] or [None, class, message]."""
    arguments = dict(request)
    messages = copy.deepcopy(CONVERSATIONS[arguments.pop("messages")])
    extra = TOKENS | arguments.pop("extra", {})
    for key, value in (("tools", TOOLS), ("documents", DOCUMENTS)):
        arguments[key] = copy.deepcopy(value) if arguments.get(key) else None
    try:
        texts, spans = utils.render_jinja_template([messages], chat_template=source, return_assistant_tokens_mask=True,
                                                   **arguments, **extra)
        text = texts[0]
        limit = len(text)
        inside = [(a, min(b, limit)) for a, b in spans[0] if a < limit]  # those that continuing did not cut off
        return [text, [[len(text[:a].encode()), len(text[:b].encode())] for a, b in inside]]
    except Exception as error:  # noqa: BLE001
        return [None, type(error).__name__, str(error)]


def chats(folder):
    templates, sources = {}, {}
    for file in sorted(os.listdir(folder)):
        if file.endswith(".jinja"):
            with open(os.path.join(folder, file), encoding="utf-8", newline="") as source:
                sources[file] = source.read()
            templates[file] = {"sha256": hashlib.sha256(sources[file].encode()).hexdigest()}
    cases = [[template, request] + apply(sources[template], arguments)
             for template in templates for request, arguments in requests().items()]
    return {"templates": templates, "conversations": CONVERSATIONS, "tools": TOOLS, "documents": DOCUMENTS, "tokens": TOKENS,
            "requests": requests(), "cases": cases}


def write(path, value):
    """One case a line, so that a change reads well."""
    with open(path, "w", encoding="utf-8") as out:
        out.write("{\n")
        for n, (key, item) in enumerate(value.items()):
            out.write(",\n" if n else "")
            if key == "cases":
                rows = ",\n".join(json.dumps(case, ensure_ascii=False) for case in item)
                out.write(f'"cases": [\n{rows}\n]')
            else:
                out.write(f"{json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}")
        out.write("\n}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.join(HERE, "templates"))
    parser.add_argument("--shared", default=os.path.join(HERE, "../../../shared/data/chat_templates"))
    arguments = parser.parse_args()
    out = arguments.out
    os.makedirs(out, exist_ok=True)
    write(os.path.join(out, "expressions.json"), expressions())
    write(os.path.join(out, "chats.json"), chats(os.path.join(HERE, "templates")))
    if os.path.isdir(arguments.shared):  # where it is absent, what was recorded stays
        write(os.path.join(out, "shared_chats.json"), chats(arguments.shared))


if __name__ == "__main__":
    main()
