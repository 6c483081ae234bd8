"""Form fields, files, and bodies that are neither."""

from __future__ import annotations

from cases import Group, form, multipart, part, post, request

GROUP = Group("forms")
ADD = GROUP.add


def forms(feature: str, target: str, *bodies: str | bytes) -> None:
    ADD(feature, *(form(target, body) for body in bodies))


forms("login", "/login", "username=a&password=abc", "password=a+b+c&username=%C3%A9", "username=a&password=abc&x=1", "username=a&username=b&password=abc", "username=a%26b&password=%3D%3D%3D")
forms("login-invalid", "/login", "", "username=a", "username=a&password=ab", "username=&password=", "password=abc&username", "username=a;password=abc", "&&&", "=", "%75sername=a&password=x")
ADD("login", multipart("/login", part("username", "a"), part("password", "abc")), multipart("/login", part("username", "é"), part("password", "")), multipart("/login"), request("POST", "/login"), post("/login", {"username": "a", "password": "abc"}))
forms("encoding", "/login-default-style", b"username=%FF", b"username=\xff", b"username=\xc3\xa9", b"username=%zz", b"username=%00", b"username=%", b"username=a%0D%0Ab", b"username=%F0%9F%98%80")
forms("login-default-style", "/login-default-style", "username=a", "username=a&n=2", "username=a&n=-1", "n=x", "username=a&n=")
forms("optional", "/optional", "", "a=1&n=2", "a=", "n=x", "a=&n=", "n=1&n=2")
ADD("optional", request("POST", "/optional"), request("POST", "/optional", (), b"a=1"), post("/optional", {"a": "1"}), multipart("/optional", part("a", "")))
forms("list", "/list", "items=1", "items=1&items=2", "items=", "", "items=x&items=1", "items=1,2", "items=&items=1")
forms("list-optional", "/list-optional", "", "items=a&items=b", "items=", "x=1", "items=a&items=")
forms("scalars", "/scalars", "i=1&f=1e-7&b=on", "i=1&f=nan&b=0&s=l&the-t=x", "i=x&f=x&b=x&s=x", "", "i=1&f=1e400&b=true&t=no", "i=1.0&f=1&b=1", "i=+1&f=+1&b=1")
forms("model", "/model", "name=a", "name=a&age=3&tags=x&tags=y", "name=toolong", "age=x", "name=", "name=a&x=1", "")
ADD("model", multipart("/model", part("name", "a"), part("tags", "x"), part("tags", "y")), multipart("/model", part("age", "1")), request("POST", "/model"))
forms("model-forbid", "/model-forbid", "name=a", "name=a&x=1", "x=1&x=2", "name=a&name=b", "")
ADD("query-and-form", form("/query-and-form?q=1", "a=1"), form("/query-and-form?q=x", ""), form("/query-and-form", "a=1&q=1"))
ADD("content-type", request("POST", "/login", (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),), b"username=a&password=abc"), request("POST", "/login", (("Content-Type", "text/plain"),), b"username=a&password=abc"), request("POST", "/login", (), b"username=a&password=abc"), request("POST", "/login", (("Content-Type", "multipart/form-data"),), b"x"), request("POST", "/login", (("Content-Type", "APPLICATION/X-WWW-FORM-URLENCODED"),), b"username=a&password=abc"), request("POST", "/login", (("Content-Type", "multipart/form-data; boundary=cut"),), b"--other\r\n\r\n"))

F = part("content", b"\x00\x01\xffdata", "a.bin", "application/octet-stream")
ADD("file", multipart("/file", F), multipart("/file", part("content", b"", "empty.txt", "text/plain")), multipart("/file", part("content", "a string")), multipart("/file", part("content", b"x" * 200000, "big.bin")), multipart("/file", F, F))
ADD("file-invalid", multipart("/file"), multipart("/file", part("other", "x", "x")), request("POST", "/file"), form("/file", "content=x"), post("/file", {"content": "x"}), multipart("/file", part("content", "", "", "text/plain")))
ADD("file-optional", multipart("/file-optional"), multipart("/file-optional", F), request("POST", "/file-optional"), multipart("/file-optional", part("content", "", "")))
ADD("files", multipart("/files", F, F), multipart("/files", F), multipart("/files"), multipart("/files", F, part("content", "str")), multipart("/files", part("x", "1", "x")))
U = part("file", b"hello", "hello.txt", "text/plain")
ADD("upload", multipart("/upload", U), multipart("/upload", part("file", b"", "e")), multipart("/upload", part("file", b"x" * 2000000, "big")), multipart("/upload", part("file", b"x", "é.txt", "text/plain; charset=x")), multipart("/upload", part("file", b"x", 'we"ird'.replace('"', "%22"))), multipart("/upload", U, U))
ADD("upload-invalid", multipart("/upload"), multipart("/upload", part("file", "a string")), form("/upload", "file=x"), request("POST", "/upload"), multipart("/upload", part("file", b"", "")))
ADD("upload-sync", multipart("/upload-sync", U), multipart("/upload-sync"), multipart("/upload-sync", part("file", "x")))
ADD("upload-optional", multipart("/upload-optional"), multipart("/upload-optional", U), multipart("/upload-optional", part("file", "x")), request("POST", "/upload-optional"))
FS = part("files", b"1", "1"), part("files", b"22", "2")
ADD("uploads", multipart("/uploads", *FS), multipart("/uploads"), multipart("/uploads", FS[0]), multipart("/uploads", FS[0], part("files", "x")), multipart("/uploads", part("file", b"1", "1")))
M = part("file", b"abc", "f"), part("fileb", b"x", "g", "image/png"), part("token", "t")
ADD("mixed", multipart("/mixed", *M), multipart("/mixed", *M, part("n", "3")), multipart("/mixed", *M[:2]), multipart("/mixed", M[2]), multipart("/mixed"), multipart("/mixed", *M, part("n", "x")))
ADD("multipart-broken", request("POST", "/upload", (("Content-Type", "multipart/form-data; boundary=cut"),), b"--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nabc"), request("POST", "/upload", (("Content-Type", "multipart/form-data; boundary=cut"),), b"garbage"), request("POST", "/upload", (("Content-Type", "multipart/form-data; boundary=cut"),), b"--cut\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--cut--\r\n"), request("POST", "/upload", (("Content-Type", "multipart/form-data; boundary="),), b"--\r\n"), request("POST", "/upload", (("Content-Type", 'multipart/form-data; boundary="cut"'),), b"--cut\r\n" + U + b"\r\n--cut--\r\n"))
BODY = b"--cut\r\n" + U + b"\r\n--cut--\r\n"
KIND = (("Content-Type", "multipart/form-data; boundary=cut"),)
ADD("chunked", request("POST", "/upload", KIND, chunks=[bytes([b]) for b in BODY]), request("POST", "/upload", KIND, chunks=(BODY,)), request("POST", "/login", (("Content-Type", "application/x-www-form-urlencoded"),), chunks=(b"username=a&pass", b"word=abc")))
ADD("request-form", form("/request-form", "a=1&b=2&a=3"), multipart("/request-form", part("x", "1"), U), form("/request-form", ""), post("/request-form", {}), request("POST", "/request-form", KIND, b"garbage"))
