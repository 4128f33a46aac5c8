//! What may be asked of `/convert` and `/ws` beside the file, and what the client of a stream does with `done.head`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{fs, path::Path, process::Command};

use converter::{
    convert::{Float, HeadPlace, Level, Options, Rules, Subset, ValidBits, Verify, convert_reader},
    restore::restore,
};

use crate::{
    check::Sound,
    harness::{Service, post, problem},
    stream::Client,
    support::{Place, Wav, extensible_body, fmt_body, music, pack, wav_pcm},
};

/// What the library makes of a file with these options, for an answer that is held back until it is whole.
fn expected(wav: &[u8], options: Options) -> Vec<u8> {
    let mut frames = Vec::new();
    let options = Options { head: HeadPlace::Held, ..options };
    let summary = convert_reader(wav, &mut frames, &options, &mut |_| {}).unwrap();
    [summary.head, frames].concat()
}

/// Streams a file in messages of 10,000 bytes.
async fn stream(service: &Service, path: &str, wav: &[u8]) -> Client {
    let (mut client, _) = Client::connect_to(service.address, path, &[]).await.unwrap();
    for piece in wav.chunks(10_000) {
        client.binary(piece).await;
    }
    client.text(r#"{"type":"end"}"#).await;
    client.rest().await
}

/// What a client has that puts `done.head` in the place of the head that came first.
fn with_final_head(client: &Client) -> Vec<u8> {
    let head = STANDARD.decode(client.message("done")["head"].as_str().unwrap()).unwrap();
    assert_eq!(head.len(), client.frames[0].len(), "the head has the length of the reserved one");
    assert_eq!(client.message("done")["bytes_out"], client.frames.iter().map(Vec::len).sum::<usize>());
    [&[head], &client.frames[1..]].concat().concat()
}

/// The codes of the warnings in `done`.
fn warned(client: &Client) -> Vec<&str> {
    let warnings = client.message("done")["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

fn tool(program: &str, args: &[&str], flac: &Path) -> String {
    let output = Command::new(program).args(args).arg(flac).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Fails unless `flac` finds nothing to complain about; what `metaflac` lists.
fn listed(flac: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.flac");
    fs::write(&path, flac).unwrap();
    tool("flac", &["--test", "--silent", "--warnings-as-errors"], &path);
    tool("metaflac", &["--list"], &path)
}

#[tokio::test]
async fn an_option_has_the_same_effect_in_every_way_in() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(60_000, 2, 16);
    let options = |level, block_size| Options { level: Level::new(level).unwrap(), block_size, ..Options::default() };
    for (query, start, options) in [
        ("level=0", r#""level":0"#, options(0, 4096)),
        ("level=8&verify=true", r#""level":8,"verify":true"#, Options { verify: Verify::Yes, ..options(8, 4096) }),
        ("block_size=1152&level=3", r#""block_size":1152,"level":3"#, options(3, 1152)),
        ("block_size=16&level=0", r#""block_size":16,"level":0"#, options(0, 16)),
        ("block_size=65535", r#""block_size":65535"#, options(5, 65_535)),
    ] {
        let wanted = expected(&sound.wav, options);
        let posted = post(&service, &format!("?{query}"), sound.wav.clone()).await.bytes().await.unwrap();
        assert!(posted == wanted, "{query}");
        sound.assert_in(&posted);

        let in_address = stream(&service, &format!("/ws?{query}"), &sound.wav).await;
        let (mut client, _) = Client::connect_to(service.address, "/ws?level=1&verify=false", &[]).await.unwrap();
        client
            .text(&format!(
                r#"{{"type":"start",{start}{}}}"#,
                if start.contains("level") { "" } else { r#","level":5"# }
            ))
            .await;
        client.binary(&sound.wav).await;
        client.text(r#"{"type":"end"}"#).await;
        for client in [in_address, client.rest().await] {
            sound.assert_in(&with_final_head(&client));
            assert!(wanted.ends_with(&client.frames[1..].concat()), "{query}: other frames");
        }
    }
}

/// A file that needs all that is kept: its own chunks, an odd one without its pad byte last.
fn chunky() -> Vec<u8> {
    let pcm = pack(&music(30_000, 2, 24, 6), 24, 4, Place::High);
    let fmt = extensible_body(2, 48_000, 32, 24, 3, 1);
    let start = Wav::new().chunk(b"JUNK", &[7; 28]).chunk(b"fmt ", &fmt).chunk(b"mine", b"before");
    start.chunk(b"data", &pcm).chunk(b"LIST", &info()).head(b"last", 3).raw(b"odd").build()
}

/// The body of a LIST/INFO chunk that tells a title.
fn info() -> Vec<u8> {
    [b"INFOINAM".as_slice(), &12_u32.to_le_bytes(), b"Blackbird 7\0"].concat()
}

#[tokio::test]
async fn an_upload_kept_whole_is_restored_to_the_last_byte() {
    let service = Service::start(&[]).await;
    let wav = chunky();
    for metadata in ["foreign", "Foreign"] {
        let answer = post(&service, &format!("?metadata={metadata}"), wav.clone()).await;
        assert_eq!(answer.status(), 200);
        let mut restored = Vec::new();
        restore(&*answer.bytes().await.unwrap(), &mut restored).unwrap();
        assert!(restored == wav, "another file");
    }
    let tags = post(&service, "?metadata=tags", wav.clone()).await.bytes().await.unwrap();
    assert_eq!(restore(&*tags, &mut Vec::new()).unwrap_err().code(), "no_foreign_metadata");
    // What the server does by itself, a request may undo, and the other way round.
    let service = Service::start(&["--metadata", "foreign"]).await;
    assert!(restore(&*post(&service, "", wav.clone()).await.bytes().await.unwrap(), &mut Vec::new()).is_ok());
    assert!(post(&service, "?metadata=tags", wav).await.bytes().await.unwrap() == tags);
}

#[tokio::test]
async fn a_stream_kept_whole_is_restored_once_its_head_is_in_place() {
    let service = Service::start(&[]).await;
    let wav = chunky();
    let client = stream(&service, "/ws?metadata=foreign", &wav).await;
    assert_eq!(client.message("done")["left_out"], serde_json::json!([]));
    let mut restored = Vec::new();
    restore(with_final_head(&client).as_slice(), &mut restored).unwrap();
    assert!(restored == wav, "another file");
}

/// Floating point: five samples, of which three are beyond full scale.
fn float() -> Vec<u8> {
    let values = [1.5_f32, 0.5, -7.0, -0.25, 1.0];
    let pcm: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Wav::new().chunk(b"fmt ", &fmt_body(3, 1, 44_100, 32)).chunk(b"data", &pcm).build()
}

#[tokio::test]
async fn floating_point_is_quantised_where_it_is_asked_for_and_the_clipped_samples_counted() {
    let service = Service::start(&[]).await;
    let refused = problem(post(&service, "", float()).await).await;
    assert_eq!((&refused["status"], &refused["code"]), (&415.into(), &"unsupported_encoding".into()));
    assert!(refused["detail"].as_str().unwrap().contains("--float 16|24"), "{refused}");

    let samples = [(1 << 23) - 1, 1 << 22, -(1 << 23), -(1 << 21), (1 << 23) - 1];
    let answer = post(&service, "?float=24", float()).await;
    let warnings = answer.headers().get_all("flacship-warning").iter();
    let warnings: Vec<_> = warnings.map(|value| value.to_str().unwrap().to_owned()).collect();
    assert!(warnings[0].starts_with("clipped_samples: 3 "), "{warnings:?}");
    assert!(warnings[1].starts_with("quantised: "), "{warnings:?}");
    let posted = answer.bytes().await.unwrap();
    assert_eq!(crate::check::decode(&posted), samples);

    let client = stream(&service, "/ws?float=24", &float()).await;
    assert_eq!(warned(&client), ["clipped_samples", "quantised"]);
    assert!(client.message("done")["warnings"][0]["message"].as_str().unwrap().starts_with("3 "));
    assert_eq!(crate::check::decode(&with_final_head(&client)), samples);

    let whole = problem(post(&service, "?float=24&metadata=foreign", float()).await).await;
    assert_eq!((&whole["status"], &whole["code"]), (&415.into(), &"foreign_float".into()));
    let options = Options { rules: Rules { float: Float::To16, ..Rules::default() }, ..Options::default() };
    assert!(post(&service, "?float=16", float()).await.bytes().await.unwrap() == expected(&float(), options));
}

#[tokio::test]
async fn valid_bits_decide_about_samples_at_the_wrong_end() {
    let service = Service::start(&[]).await;
    let samples = music(10_000, 2, 24, 2);
    let fmt = extensible_body(2, 48_000, 32, 24, 3, 1);
    let wav = Wav::new().chunk(b"fmt ", &fmt).chunk(b"data", &pack(&samples, 24, 4, Place::Low)).build();
    let refused = problem(post(&service, "", wav.clone()).await).await;
    assert_eq!((&refused["status"], &refused["code"]), (&422.into(), &"padding_not_zero".into()));
    let low = post(&service, "?valid_bits=low", wav.clone()).await.bytes().await.unwrap();
    assert!(crate::check::decode(&low) == samples, "other samples");
    let rules = Rules { valid_bits: ValidBits::Container, ..Rules::default() };
    let container = post(&service, "?valid_bits=container", wav.clone()).await.bytes().await.unwrap();
    assert!(container == expected(&wav, Options { rules, ..Options::default() }));
    // All of it at once: the file can be had back.
    let answer = post(&service, "?valid_bits=low&metadata=foreign", wav.clone()).await;
    let mut restored = Vec::new();
    restore(&*answer.bytes().await.unwrap(), &mut restored).unwrap();
    assert!(restored == wav, "another file");
}

#[tokio::test]
async fn what_the_subset_cannot_express_is_refused_if_nothing_else_is_wanted() {
    let service = Service::start(&[]).await;
    let pcm = wav_pcm(&music(5_000, 1, 16, 2), 16);
    let odd_rate = Wav::pcm(1, 700_001, 16, &pcm);
    assert_eq!(post(&service, "", odd_rate.clone()).await.status(), 200);
    let refused = problem(post(&service, "?subset=strict", odd_rate.clone()).await).await;
    assert_eq!((&refused["status"], &refused["code"]), (&415.into(), &"outside_subset".into()));
    assert!(refused["detail"].as_str().unwrap().contains("700001 Hz"), "{refused}");
    let plain = Wav::pcm(1, 44_100, 16, &pcm);
    let strict = Options { subset: Subset::Strict, ..Options::default() };
    let taken = post(&service, "?subset=strict", plain.clone()).await.bytes().await.unwrap();
    assert!(taken == expected(&plain, strict));
    let large = problem(post(&service, "?subset=strict&block_size=4609", plain).await).await;
    assert_eq!(large["code"], "outside_subset");
    let client = stream(&service, "/ws", &odd_rate).await;
    assert_eq!((warned(&client), &client.message("done")["subset"]), (vec!["rate_outside_subset"], &false.into()));
}

#[tokio::test]
async fn a_stream_s_final_head_has_a_seek_table_and_the_tags_that_stood_behind_the_audio() {
    let service = Service::start(&[]).await;
    // 35 seconds: four seek points.
    let samples = music(35 * 8_000, 1, 16, 9);
    let wav = Wav::new().fmt(1, 8_000, 16).chunk(b"data", &wav_pcm(&samples, 16)).chunk(b"LIST", &info()).build();
    let client = stream(&service, "/ws?level=0", &wav).await;
    assert_eq!(client.message("done")["left_out"], serde_json::json!([]));
    assert_eq!(warned(&client), [""; 0]);
    let flac = with_final_head(&client);
    assert!(crate::check::decode(&flac) == samples, "other samples");
    let listed = listed(&flac);
    assert!(listed.contains("TITLE=Blackbird 7"), "{listed}");
    let points = listed.lines().filter(|line| line.trim().starts_with("point ") && !line.contains("PLACEHOLDER"));
    assert_eq!(points.count(), 4, "{listed}");
    // Without it the file plays all the same, but knows nothing of its end.
    let first = String::from_utf8_lossy(&client.frames[0]).into_owned();
    assert!(!first.contains("Blackbird"), "the tag had not come yet");
}

#[tokio::test]
async fn what_a_stream_s_head_has_no_room_for_is_told() {
    let service = Service::start(&[]).await;
    let samples = music(35 * 8_000, 1, 16, 9);
    // More than the 8 KiB that are kept free.
    let large = [b"INFOICMT".as_slice(), &20_000_u32.to_le_bytes(), &vec![b'x'; 20_000]].concat();
    let wav = Wav::new().fmt(1, 8_000, 16).chunk(b"data", &wav_pcm(&samples, 16)).chunk(b"LIST", &large).build();
    for (path, left_out) in [("/ws?level=0", "tags"), ("/ws?level=0&metadata=foreign", "foreign_metadata")] {
        let client = stream(&service, path, &wav).await;
        let done = client.message("done");
        let names: Vec<_> = done["left_out"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(names.contains(&left_out), "{path}: {names:?}");
        assert_eq!(warned(&client), ["left_out"], "{path}");
        let flac = with_final_head(&client);
        listed(&flac);
        assert!(crate::check::decode(&flac) == samples, "other samples");
    }
    // A file has room for it.
    let posted = post(&service, "?level=0", wav).await.bytes().await.unwrap();
    assert!(listed(&posted).contains("xxxxxxxx"));
}
