//! CORS on real sockets: off unless asked for, and then for the origins that are named, errors too.

use reqwest::{Client, Method, Response};

use crate::{
    check::Sound,
    harness::{Service, problem},
    tokens::key_file,
};

const STUDIO: &str = "https://studio.example";

async fn preflight(service: &Service, path: &str, origin: &str) -> Response {
    let request = Client::new().request(Method::OPTIONS, service.url(path)).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "authorization,content-type").send().await.unwrap()
}

async fn convert(service: &Service, origin: &str, body: Vec<u8>) -> Response {
    Client::new().post(service.url("/convert")).header("origin", origin).body(body).send().await.unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_named_origin_may_ask_and_read_what_matters() {
    let service = Service::start(&["--allowed-origin", "https://studio.example/,http://localhost:5173"]).await;
    for path in ["/convert", "/status", "/openapi.json"] {
        let answer = preflight(&service, path, STUDIO).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(header(&answer, "access-control-allow-origin"), Some(STUDIO));
        assert_eq!(header(&answer, "access-control-allow-methods"), Some("GET,HEAD,POST"));
        assert_eq!(header(&answer, "access-control-max-age"), Some("7200"));
        let headers = header(&answer, "access-control-allow-headers").unwrap();
        for name in ["authorization", "content-type", "x-request-id", "expect", "traceparent", "want-repr-digest"] {
            assert!(headers.split(',').any(|allowed| allowed.trim() == name), "{name} in {headers}");
        }
    }
    let sound = Sound::music(1_000, 1, 16);
    let answer = convert(&service, STUDIO, sound.wav.clone()).await;
    assert_eq!(header(&answer, "access-control-allow-origin"), Some(STUDIO));
    assert_eq!(header(&answer, "vary"), Some("origin"));
    assert_eq!(header(&answer, "cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(header(&answer, "access-control-allow-credentials"), None);
    let shown = header(&answer, "access-control-expose-headers").unwrap().to_owned();
    for name in
        ["content-disposition", "content-length", "repr-digest", "flacship-md5", "flacship-samples", "x-request-id"]
    {
        assert!(shown.split(',').any(|shown| shown.trim() == name), "{name} in {shown}");
        assert!(answer.headers().contains_key(name), "{name}");
    }
    for name in ["flacship-warning", "flacship-files", "flacship-failed", "retry-after"] {
        assert!(shown.split(',').any(|shown| shown.trim() == name), "{name} in {shown}");
    }
    sound.assert_in(&answer.bytes().await.unwrap());
    let answer = convert(&service, "http://localhost:5173", sound.wav.clone()).await;
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("http://localhost:5173"));
}

#[tokio::test]
async fn errors_can_be_read_too() {
    let (_folder, tokens) = key_file("a-token");
    let service = Service::start(&["--allowed-origin", STUDIO, "--token-file", &tokens]).await;
    // The question is asked without the token.
    assert_eq!(preflight(&service, "/convert", STUDIO).await.status(), 200);
    let answer = convert(&service, STUDIO, b"RIFF".to_vec()).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(header(&answer, "access-control-allow-origin"), Some(STUDIO));
    assert_eq!(header(&answer, "cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(problem(answer).await["code"], "unauthorized");
    let request = Client::new().post(service.url("/convert")).header("origin", STUDIO).bearer_auth("a-token");
    let answer = request.body("no WAV").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-origin")), (415, Some(STUDIO)));
    let request = Client::new().put(service.url("/convert")).header("origin", STUDIO).bearer_auth("a-token");
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-origin")), (405, Some(STUDIO)));
}

#[tokio::test]
async fn other_origins_and_other_routes_get_nothing() {
    let service = Service::start(&["--allowed-origin", STUDIO]).await;
    let wav = Sound::music(10, 1, 16).wav;
    for origin in ["https://evil.example", "http://studio.example", "https://studio.example.evil.example", "null"] {
        for answer in [preflight(&service, "/convert", origin).await, convert(&service, origin, wav.clone()).await] {
            assert_eq!(header(&answer, "access-control-allow-origin"), None, "{origin}");
            assert_eq!(header(&answer, "cross-origin-resource-policy"), Some("same-origin"), "{origin}");
            assert_eq!(header(&answer, "vary"), Some("origin"), "{origin}");
        }
    }
    for path in ["/", "/healthz", "/nowhere"] {
        let answer = Client::new().get(service.url(path)).header("origin", STUDIO).send().await.unwrap();
        assert_eq!(header(&answer, "access-control-allow-origin"), None, "{path}");
    }
    // No browser's question: the methods, as ever.
    let answer = Client::new().request(Method::OPTIONS, service.url("/convert")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (204, Some("POST, OPTIONS")));
}

#[tokio::test]
async fn every_origin_is_let_in_without_credentials() {
    let service = Service::start(&["--allowed-origin", "*"]).await;
    let wav = Sound::music(10, 1, 16).wav;
    for answer in [preflight(&service, "/convert", "null").await, convert(&service, STUDIO, wav).await] {
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
        assert_eq!(header(&answer, "access-control-allow-credentials"), None);
        assert_eq!(header(&answer, "cross-origin-resource-policy"), Some("cross-origin"));
    }
}

#[tokio::test]
async fn without_the_flag_there_is_no_such_header() {
    let service = Service::start(&[]).await;
    let wav = Sound::music(10, 1, 16).wav;
    for answer in [preflight(&service, "/convert", STUDIO).await, convert(&service, STUDIO, wav).await] {
        let cors = answer.headers().keys().find(|name| name.as_str().starts_with("access-control-"));
        assert_eq!((cors, header(&answer, "vary")), (None, None));
        assert_eq!(header(&answer, "cross-origin-resource-policy"), Some("same-origin"));
    }
}
