//! Faults of the server's own: the client is told that it was not the client's, and no more.

use tokio_tungstenite::tungstenite::Message;

use crate::{
    check::Sound,
    harness::{Service, post, problem},
    stream::Client,
};

#[tokio::test]
async fn a_fault_of_the_server_s_is_told_without_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let service = Service::start(&["--spool-memory", "0", "--spool-dir", spool.to_str().unwrap()]).await;
    std::fs::remove_dir(&spool).unwrap();
    let sound = Sound::noise(50_000, 2, 16, 1);
    let answer = post(&service, "", sound.wav.clone()).await;
    assert_eq!(answer.status(), 500);
    let problem = problem(answer).await;
    assert_eq!(problem["code"], "internal");
    assert!(!problem.to_string().contains("spool"), "{problem}");

    let mut client = Client::plain(service.address).await;
    client.send(Message::binary(sound.wav.clone())).await;
    assert_eq!(client.last_words().await, ("internal".to_owned(), 1011));

    // Streams need no spool, and work as before.
    let mut client = Client::connect(service.address).await;
    client.binary(&sound.wav).await;
    client.text(r#"{"type":"end"}"#).await;
    client.rest().await.assert_brought(&sound);
}
