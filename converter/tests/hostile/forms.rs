//! Multipart forms that are cut, lie, or hold what nobody should send.

use crate::{
    case::{Case, Expect, Step, post, request},
    sounds::wav,
};

use Expect::{Answer, Flac, Problem};

const KIND: &str = "Content-Type: multipart/form-data; boundary=b\r\n";

/// A part with these lines before its content.
fn part(lines: &str, content: &[u8]) -> Vec<u8> {
    [format!("--b\r\n{lines}\r\n\r\n").as_bytes(), content, b"\r\n"].concat()
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    part(&format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\""), content)
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), b"--b--\r\n".to_vec()].concat()
}

fn malformed() -> Expect {
    Problem(400, "malformed_form")
}

fn named(name: &str) -> Expect {
    Flac(500, name.to_owned())
}

fn case(name: impl Into<String>, body: &[u8], expect: Expect) -> Case {
    Case::bytes(name, post("", KIND, body), expect)
}

pub fn cases() -> Vec<Case> {
    [cut(), boundaries(), parts(), names(), many()].into_iter().flatten().collect()
}

/// A form that ends in its first boundary, in the part's head, in its content, in its last boundary; honestly, and with
/// the connection.
fn cut() -> Vec<Case> {
    let whole = form(&[file("a.wav", &wav(500))]);
    let head = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let ends = [1, 2, 3, 4, 5, 10, 30, head - 4, head - 2, head - 1, head, head + 1, head + 44, head + 500];
    let ends = ends.into_iter().chain((4..10).map(|back| whole.len() - back));
    ends.flat_map(|end| {
        let declared = format!("Content-Length: {}\r\n{KIND}", whole.len());
        [
            case(format!("a form cut at byte {end}"), &whole[..end], malformed()),
            Case::new(
                format!("a connection cut at byte {end} of a form"),
                vec![Step::Send(request("POST /convert", &declared, &whole[..end])), Step::Finish],
                Problem(400, "client_gone"),
            ),
        ]
    })
    .collect()
}

/// Boundaries: none, others, endless.
fn boundaries() -> Vec<Case> {
    let whole = form(&[file("a.wav", &wav(500))]);
    let kind = |name: &str, kind: &str, body: &[u8], expect: Expect| {
        Case::bytes(name, post("", &format!("Content-Type: {kind}\r\n"), body), expect)
    };
    let of = |boundary: &str| {
        String::from_utf8_lossy(&form(&[file("a.wav", b"RIFF")])).replace("--b", &format!("--{boundary}"))
    };
    let long = |length: usize| {
        let boundary = "b".repeat(length);
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n");
        ([head.as_bytes(), &wav(500), format!("\r\n--{boundary}--\r\n").as_bytes()].concat(), boundary)
    };
    let (long_70, boundary_70) = long(70);
    let (long_20k, boundary_20k) = long(20_000);
    let (long_60k, boundary_60k) = long(60_000);
    vec![
        kind("no boundary", "multipart/form-data", &whole, malformed()),
        kind("an empty boundary", "multipart/form-data; boundary=", &whole, malformed()),
        kind("an empty boundary in quotes", "multipart/form-data; boundary=\"\"", &whole, malformed()),
        kind("another boundary", "multipart/form-data; boundary=other", &whole, malformed()),
        kind("a boundary that is longer", "multipart/form-data; boundary=bb", &whole, malformed()),
        kind("an unclosed quote", "multipart/form-data; boundary=\"b", &whole, malformed()),
        kind("a boundary with a line end", "multipart/form-data; boundary=\"b\tc\"", &whole, malformed()),
        kind("two boundaries", "multipart/form-data; boundary=b; boundary=c", &whole, named("a.flac")),
        kind("another kind of multipart", "multipart/mixed; boundary=b", &whole, Problem(415, "not_wav")),
        kind("a form of the other kind", "application/x-www-form-urlencoded", b"file=RIFF", Problem(415, "not_wav")),
        kind("a boundary of 70", &format!("multipart/form-data; boundary={boundary_70}"), &long_70, named("a.flac")),
        kind(
            "a boundary of 20,000",
            &format!("multipart/form-data; boundary={boundary_20k}"),
            &long_20k,
            named("a.flac"),
        ),
        kind(
            "a boundary of 60,000",
            &format!("multipart/form-data; boundary={boundary_60k}"),
            &long_60k,
            named("a.flac"),
        ),
        kind(
            "a boundary of dashes",
            "multipart/form-data; boundary=----",
            of("----").as_bytes(),
            Problem(400, "truncated_header"),
        ),
    ]
}

/// Parts that are no files, or not as they say.
fn parts() -> Vec<Case> {
    let wav = wav(500);
    let disposition = "Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"";
    let lines = |count: usize| (0..count).map(|n| format!("\r\nX-{n}: {n}")).collect::<Vec<_>>().concat();
    let nested = [
        b"--c\r\nContent-Disposition: file; filename=\"a.wav\"\r\n\r\n".to_vec(),
        wav.clone(),
        b"\r\n--c--\r\n".to_vec(),
    ]
    .concat();
    vec![
        case("an empty form", b"--b--\r\n", Problem(400, "no_file")),
        case("a form of nothing", b"", Problem(400, "no_file")),
        case("a part without a head", b"--b\r\n\r\nhello\r\n--b--\r\n", malformed()),
        case("a part with a broken head", b"--b\r\nno header at all\r\n\r\nx\r\n--b--\r\n", malformed()),
        case(
            "lines that end with LF alone",
            &String::from_utf8_lossy(&form(&[file("a", b"x")])).replace('\r', "").into_bytes(),
            malformed(),
        ),
        case("a part without a name", &form(&[part("Content-Disposition: form-data", &wav)]), Problem(400, "no_file")),
        case("a part without a disposition", &form(&[part("Content-Type: audio/wav", &wav)]), Problem(400, "no_file")),
        case(
            "a part of another name",
            &form(&[part("Content-Disposition: form-data; name=\"upload\"", &wav)]),
            Problem(400, "no_file"),
        ),
        case(
            "a name in capitals",
            &form(&[part("Content-Disposition: form-data; name=\"FILE\"", &wav)]),
            Problem(400, "no_file"),
        ),
        case(
            "a name of bad UTF-8",
            &form(&[part("Content-Disposition: form-data; name=\"fi\u{fffd}le\"", &wav)]),
            Problem(400, "no_file"),
        ),
        case(
            "a name of 300 kB",
            &form(&[part(&format!("Content-Disposition: form-data; name=\"{}\"", "x".repeat(300_000)), &wav)]),
            malformed(),
        ),
        case("a part's head of 100 lines", &form(&[part(&format!("{disposition}{}", lines(100)), &wav)]), malformed()),
        case(
            "a part's head of 10,000 lines",
            &form(&[part(&format!("{disposition}{}", lines(10_000)), &wav)]),
            malformed(),
        ),
        case(
            "a part's length that lies",
            &form(&[part(&format!("{disposition}\r\nContent-Length: 7"), &wav)]),
            named("a.flac"),
        ),
        case(
            "a part's coding",
            &form(&[part(&format!("{disposition}\r\nContent-Transfer-Encoding: base64"), b"UklGRiQAAABXQVZF")]),
            Problem(415, "not_wav"),
        ),
        case(
            "a form in a part",
            &form(&[part(&format!("{disposition}\r\nContent-Type: multipart/mixed; boundary=c"), &nested)]),
            Problem(415, "not_wav"),
        ),
        case(
            "an option as a field",
            &form(&[part("Content-Disposition: form-data; name=\"level\"", b"8"), file("a.wav", &wav)]),
            Problem(400, "option_as_field"),
        ),
        case("an empty file", &form(&[file("a.wav", b"")]), Problem(400, "empty_input")),
        case("a file that is none", &form(&[file("a.wav", b"hello, world: no WAV")]), Problem(415, "not_wav")),
        case(
            "300 kB before the first boundary",
            &[vec![b'x'; 300_000], b"\r\n".to_vec(), form(&[file("a.wav", &wav)])].concat(),
            malformed(),
        ),
        case(
            "300 kB behind the last boundary",
            &[form(&[file("a.wav", &wav)]), vec![b'x'; 300_000]].concat(),
            named("a.flac"),
        ),
        case("a form behind a form", &form(&[file("a.wav", &wav)]).repeat(2), named("a.flac")),
        case(
            "300 kB in another field",
            &form(&[part("Content-Disposition: form-data; name=\"note\"", &[b'x'; 300_000]), file("a.wav", &wav)]),
            Problem(400, "no_file"),
        ),
        case(
            "300 kB in another field behind the file",
            &form(&[file("a.wav", &wav), part("Content-Disposition: form-data; name=\"note\"", &[b'x'; 300_000])]),
            malformed(),
        ),
        case(
            "a boundary in the audio",
            &form(&[file("a.wav", &[&wav[..100], b"\r\n--bb\r\n", &wav[100..]].concat())]),
            malformed(),
        ),
    ]
}

/// Names that want to be more than names.
fn names() -> Vec<Case> {
    let long = "a".repeat(60_000);
    [
        ("../../../etc/passwd", "passwd.flac"),
        ("/etc/cron.d/evil.wav", "evil.flac"),
        ("C:\\Windows\\System32\\evil.wav", "evil.flac"),
        ("\\\\server\\share\\evil.wav", "evil.flac"),
        ("..", "audio.flac"),
        (".", "audio.flac"),
        ("....//....//x.wav", "x.flac"),
        ("", "audio.flac"),
        ("   ", "audio.flac"),
        (".wav", "wav.flac"),
        ("%2e%2e%2fpasswd", "%2e%2e%2fpasswd.flac"),
        ("abc\u{202e}vaw.exe.wav", "abcvaw.exe.flac"),
        ("\u{2066}a\u{2069}\u{200b}.wav", "a.flac"),
        ("a;b=c.wav", "a;b=c.flac"),
        ("what?*<>|.wav", "what_____.flac"),
        ("名前.wav", "__.flac"),
        ("a\u{85}b\u{2028}c.wav", "abc.flac"),
        ("CON.wav", "CON.flac"),
        (&long, &format!("{}.flac", "a".repeat(250))),
    ]
    .map(|(given, name)| {
        let shown: String = given.escape_debug().take(40).collect();
        case(format!("a file called {shown}"), &form(&[file(given, &wav(500))]), named(name))
    })
    .into_iter()
    .chain([
        case("a file's name of 300 kB", &form(&[file(&"a".repeat(300_000), &wav(500))]), malformed()),
        case("NUL in a name", &form(&[file("NUL\u{0}.wav", &wav(500))]), malformed()),
        case("an escape in a name", &form(&[file("a\u{1b}[31m.wav", &wav(500))]), malformed()),
        case(
            "a name that is wrongly encoded",
            &form(&[part("Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%ff%fe", &wav(500))]),
            named("audio.flac"),
        ),
        case(
            "an encoded name with a path",
            &form(&[part(
                "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''..%2f..%2fx%00y.wav",
                &wav(500),
            )]),
            named("xy.flac"),
        ),
        Case::bytes(
            "a body called like a path",
            post("", "Content-Disposition: attachment; filename=\"../../x.wav\"\r\n", &wav(500)),
            named("x.flac"),
        ),
    ])
    .collect()
}

/// Many files, good and bad.
fn many() -> Vec<Case> {
    let wav = wav(500);
    let good = || file("a.wav", &wav);
    vec![
        case("1001 files", &form(&vec![file("a.wav", &wav[..60]); 1_001]), Problem(400, "too_many_files")),
        case(
            "1000 files that are none",
            &form(&vec![file("a.wav", b"no"); 1_000]),
            Answer(200, "flacship-failed: 1000"),
        ),
        case(
            "a good file and a bad one",
            &form(&[good(), file("b.wav", b"hello, world")]),
            Answer(200, "flacship-failed: 1"),
        ),
        case("files of one name", &form(&[good(), good(), good()]), Answer(200, "a (3).flac")),
        case(
            "files with paths",
            &form(&[file("../../a.wav", &wav), file("/etc/b.wav", &wav)]),
            Answer(200, "flacship-failed: 0"),
        ),
        case("a good file and half a form", &[good(), file("b.wav", &wav)[..300].to_vec()].concat(), malformed()),
        Case::bytes(
            "two files that are to be answered progressively",
            post("?progressive=true", KIND, &form(&[file("a.wav", &crate::sounds::wav(50_000)), good()])),
            Expect::BrokenOff,
        ),
    ]
}
