"""Spellings of URLs in lists and in Location headers, with what is to be requested for them."""

from __future__ import annotations

from asynccrawl import Reason

LONG = "/" + "a%2Fb,;" * 495 + "?" + "x" * 20
"""As long as the longest URL of a list that was counted: 3,487 characters."""

LISTED: list[str | tuple[str, str]] = [
    # as it stands
    "/", "/a.jpg", "/?", "/a?", "/a??", "/a?b?c", "/a?/b//c", "/a?&", "/a?=", "/a?b=&c", "//", "//d//e.jpg", "/a//",
    "/a/../b", "/a/./b", "/..", "/.", "/../../x", "/a/..", "/a/%2e%2e/b", "/%2f%2F", "/%c3%a9%C3%A9", "/%41%7e%2D",
    "/a%20b+c", "/a?x=%20+y&z=a+b", "/a,b;c=d,e;f", "/a;p?q;r", "/a&amp;b?c=1&amp;d=2", "/(a)'!*$", "/a:b@c", "/:80/",
    "/a=?=", "/%00", "/a~b_c-d.e", "/a?u=http://h:80/x?y", "/a?next=//h/x", "/a?sig=AbC%2bdef%3D%3d", LONG,
    "/1,2/3;4/5", "/http://h/x",
    # only what is illegal is escaped
    ("/a b", "/a%20b"), ("/a|b", "/a%7Cb"), ("/[a]{b}^`", "/%5Ba%5D%7Bb%7D%5E%60"), ('/a"<b>', "/a%22%3Cb%3E"),
    ("/a\\b", "/a%5Cb"), ("\\a", "/%5Ca"), ("/é", "/%C3%A9"), ("/a?é=€", "/a?%C3%A9=%E2%82%AC"),
    ("/😻", "/%F0%9F%98%BB"),
    ("/100%", "/100%25"), ("/%zz%4", "/%25zz%254"), ("/%2", "/%252"), ("/a\tb", "/a%09b"), ("/a\x7f", "/a%7F"),
    ("/a?[0]=|", "/a?%5B0%5D=%7C"), ("/a\u3000b", "/a%E3%80%80b"), ("/e\u0301", "/e%CC%81"),
    # no fragments, never no path
    ("/a#b", "/a"), ("/a?#b?c", "/a?"), ("/a#", "/a"), ("#b", "/"), ("", "/"), ("?q", "/?q"), ("?", "/?"),
    ("/a  ", "/a"),
]  # fmt: skip

BASE = "/dir/sub;p/page;x?q=1&r"
LOCATIONS: list[tuple[str, str]] = [
    # absolute: as it stands
    ("http://{host}/a/../b?", "/a/../b?"), ("HTTP://{host}//x", "//x"), ("http://u:p@{host}/x", "/x"),
    ("http://{host}", "/"), ("http://{host}?a", "/?a"), ("http://{host}/%2f%2F;,+|", "/%2f%2F;,+%7C"),
    ("http://{host}\\x", "/%5Cx"), ("http://{host}/é#f", "/%C3%A9"), ("  http://{host}/x\t", "/x"),
    # the same scheme, another authority
    ("//{host}/x", "/x"), ("//{host}", "/"), ("//{host}?", "/?"), ("//{host}//x//", "//x//"),
    ("//{host}/a/../b", "/b"),
    ("//u@{host}/x#f", "/x"),
    # another path
    ("/x", "/x"), ("/x?", "/x?"), ("/", "/"), ("/a//b", "/a//b"), ("/a/./b/../c", "/a/c"), ("/..", "/"),
    ("/a/..", "/"),
    ("/%2e%2e/x", "/%2e%2e/x"), ("/x;y=z,w?a;b", "/x;y=z,w?a;b"), ("/a&amp;b", "/a&amp;b"), ("/x?../y", "/x?../y"),
    ("/x y", "/x%20y"), ("/[x]|{{}}", "/%5Bx%5D%7C%7B%7D"), ("/?u=http://h/../x", "/?u=http://h/../x"),
    ("/x?#f", "/x?"),
    # a path beside the last one
    ("x", "/dir/sub;p/x"), ("./x", "/dir/sub;p/x"), ("../x", "/dir/x"), ("../../x", "/x"), ("../../../x", "/x"),
    ("..", "/dir/"), (".", "/dir/sub;p/"), ("x/", "/dir/sub;p/x/"), ("x//y", "/dir/sub;p/x//y"),
    (";y", "/dir/sub;p/;y"),
    ("x y.jpg", "/dir/sub;p/x%20y.jpg"), ("1:2", "/dir/sub;p/1:2"), ("./a:b", "/dir/sub;p/a:b"),
    ("%zz", "/dir/sub;p/%25zz"),
    ("\\\\evil\\x", "/dir/sub;p/%5C%5Cevil%5Cx"), ("/\\evil/x", "/%5Cevil/x"), ("x\\..\\y", "/dir/sub;p/x%5C..%5Cy"),
    # another query
    ("?z", "/dir/sub;p/page;x?z"), ("?", "/dir/sub;p/page;x?"), ("?../z", "/dir/sub;p/page;x?../z"),
    ("?a b", "/dir/sub;p/page;x?a%20b"),
    # bytes that are no UTF-8, and some that are
    ("/caf\udce9.jpg", "/caf%E9.jpg"), ("\udcff?\udc80", "/dir/sub;p/%FF?%80"), ("/é\udce9", "/%C3%A9%E9"),
    ("/\u00a0", "/%C2%A0"), ("x\u3000", "/dir/sub;p/x%E3%80%80"),
]  # fmt: skip
REFUSED: list[tuple[str, Reason]] = [
    ("http:/x", Reason.BAD_REDIRECT),
    ("http:x", Reason.BAD_REDIRECT),
    ("https:///x", Reason.BAD_REDIRECT),
    ("///x", Reason.BAD_REDIRECT),
    ("//", Reason.BAD_REDIRECT),
    ("http:\\\\h\\x", Reason.BAD_REDIRECT),
    ("//\udce9.example/x", Reason.BAD_REDIRECT),
    ("//a b/x", Reason.BAD_REDIRECT),
    ("//h:99999/x", Reason.BAD_REDIRECT),
    ("//256.1.1.1/x", Reason.BAD_REDIRECT),
    ("//[::1/x", Reason.BAD_REDIRECT),
    ("ftp://127.0.0.1/x", Reason.BLOCKED_SCHEME),
    ("file:///etc/passwd", Reason.BLOCKED_SCHEME),
    ("javascript:alert(1)", Reason.BLOCKED_SCHEME),
    ("data:image/png;base64,AAAA", Reason.BLOCKED_SCHEME),
    ("localhost:8080/x", Reason.BLOCKED_SCHEME),
    ("//10.0.0.1/x", Reason.BLOCKED_ADDRESS),
    ("//127.1:22/x", Reason.BLOCKED_ADDRESS),
    ("http://[::ffff:10.0.0.1]/x", Reason.BLOCKED_ADDRESS),
]
