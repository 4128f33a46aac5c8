//! The page behind TLS, under a name that is not this machine's own: without the certificate it would get no microphone.

use std::fs;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use e2e::audio::{Audio, Shape};
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use sha2::{Digest as _, Sha256};

use crate::live::{MICROPHONE, heard, microphone, recorded, save};
use crate::service::Service;
use crate::support::{browser::Browser, wait::STEP};

const NAME: &str = "flacship.test";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_with_a_certificate_converts_and_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(path("tls.crt"), certificate.pem()).unwrap();
    fs::write(path("tls.key"), key.serialize_pem()).unwrap();
    let (chain, secret) = (path("tls.crt"), path("tls.key"));
    let pair = ["--tls-cert", chain.to_str().unwrap(), "--tls-key", secret.to_str().unwrap()];
    let service = Service::start(&pair).await;
    assert!(service.url().starts_with("https://"), "{}", service.url());

    let wav = path("take.wav");
    let take = Audio::music(Shape::VOICE, 5.0, 21);
    fs::write(&wav, take.wav().unwrap()).unwrap();
    let sound = Audio::music(MICROPHONE, 60.0, 22);
    let mut flags = microphone(folder.path(), &sound);
    flags.push(format!("--host-resolver-rules=MAP {NAME} 127.0.0.1"));
    // This key and no other is taken without an authority.
    let known = BASE64_STANDARD.encode(Sha256::digest(key.subject_public_key_info()));
    flags.push(format!("--ignore-certificate-errors-spki-list={known}"));
    Browser::visit_with(&flags, async |browser| {
        browser.client().goto(&format!("https://{NAME}:{}/", service.address.port())).await.unwrap();
        assert_eq!(
            browser.run("return [location.protocol, isSecureContext]").await,
            serde_json::json!(["https:", true])
        );
        browser.choose("#file", &wav).await;
        browser.shown("#files .download", STEP).await;
        browser.click("#files .download").await;
        let flac = browser.downloaded("take.flac", STEP).await;
        take.check_flac_file(&flac).unwrap();
        fs::remove_file(flac).unwrap();

        browser.click("#tab-live").await;
        assert!(browser.shown("#desk", STEP).await.contains("Ready to record"));
        assert!(!browser.is_shown("#insecure").await);
        browser.click("#record").await;
        browser.until("return document.getElementById('link').dataset.state === 'open'", STEP).await;
        recorded(browser, 3).await;
        browser.screenshot("secure.png").await;
        browser.click("#record").await;
        let samples = save(browser).await;
        assert!(heard(&samples, &sound), "the FLAC has what the microphone gave");
    })
    .await;
}
