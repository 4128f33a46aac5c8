//! `GET /ws` for clients of older services: no subprotocol, a whole WAV in one message, the FLAC in one message back.

use tokio_tungstenite::tungstenite::Message;

use crate::{
    check::Sound,
    harness::{Service, post},
    stream::Client,
    support::{Wave64, signed_pcm},
};

#[tokio::test]
async fn a_whole_wav_in_one_message_is_answered_by_one_message() {
    let service = Service::start(&["--spool-memory", "64Ki"]).await;
    // Smaller and larger than a stream's messages may be.
    for frames in [0, 1, 20_000, 1_500_000] {
        let sound = Sound::noise(frames, 2, 16, 3);
        let mut client = Client::plain(service.address).await;
        client.binary(&sound.wav).await;
        let client = client.rest().await;
        assert!(client.said.is_empty(), "{:?}", client.said);
        assert_eq!((client.frames.len(), client.closed), (1, Some(1000)));
        sound.assert_in(&client.frames[0]);
        let converted = post(&service, "", sound.wav.clone()).await.bytes().await.unwrap();
        assert!(client.frames[0] == converted, "it is what /convert makes");
    }
    assert!(service.counts("flacship_converter_conversions_total{kind=\"stream\",outcome=\"converted\"} 4").await);
}

#[tokio::test]
async fn other_containers_are_whole_too() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(5_000, 2, 16);
    let wave64 = Wave64::new().fmt(2, 44_100, 16).chunk(b"data", &signed_pcm(&sound.samples, 16)).build();
    let mut client = Client::plain(service.address).await;
    client.binary(&wave64).await;
    let client = client.rest().await;
    assert_eq!((client.said.len(), client.frames.len()), (0, 1));
    sound.assert_in(&client.frames[0]);
}

#[tokio::test]
async fn a_client_without_a_subprotocol_may_stream_all_the_same() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(20_000, 2, 16);
    // Its first message ends before the header says that the file does, or is text.
    for start in [false, true] {
        let mut client = Client::plain(service.address).await;
        if start {
            client.text(r#"{"type":"start","format":"wav"}"#).await;
        }
        let (first, rest) = sound.wav.split_at(if start { sound.wav.len() } else { 50_000 });
        client.binary(first).await;
        client.until_frames(2).await;
        if !rest.is_empty() {
            client.binary(rest).await;
        }
        client.text(r#"{"type":"end"}"#).await;
        client.rest().await.assert_brought(&sound);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_converted_is_told_in_words() {
    let service = Service::start(&[]).await;
    let mut odd = Sound::music(100, 2, 16).wav;
    odd[20] = 0x55;
    let mut client = Client::plain(service.address).await;
    client.binary(&odd).await;
    assert_eq!(client.last_words().await, ("unsupported_encoding".to_owned(), 1003));
    assert!(client.frames.is_empty());
}

#[tokio::test]
async fn files_over_the_limit_or_the_memory_for_all_are_refused() {
    let sound = Sound::noise(700_000, 2, 16, 9);
    let over = ("message_too_large".to_owned(), 1009);
    for flags in [["--ws-max-whole", "2Mi"], ["--ws-whole-memory", "1Mi"]] {
        let service = Service::start(&flags).await;
        for _ in 0..3 {
            let mut client = Client::plain(service.address).await;
            // The server may end the stream before all has been sent.
            let _ = client.try_send(Message::binary(sound.wav.clone())).await;
            assert_eq!(client.last_words().await, over, "{flags:?}");
        }
        // What was refused has given its memory back: a smaller file is taken.
        let small = Sound::noise(400_000, 2, 16, 9);
        let mut client = Client::plain(service.address).await;
        client.binary(&small.wav).await;
        let client = client.rest().await;
        assert_eq!(client.frames.len(), 1, "{flags:?} {:?}", client.said);
        small.assert_in(&client.frames[0]);
    }
}

#[tokio::test]
async fn a_stream_s_messages_stay_bounded_without_a_subprotocol() {
    let service = Service::start(&["--ws-max-message", "64Ki"]).await;
    let mut client = Client::plain(service.address).await;
    client.text(r#"{"type":"start"}"#).await;
    client.binary(&Sound::noise(20_000, 2, 16, 1).wav).await;
    assert_eq!(client.last_words().await, ("message_too_large".to_owned(), 1009));
}
