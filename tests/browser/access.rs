//! What a screen reader finds: every control has a name, every picture is hidden from it, headings are in order.

use std::fs;

use e2e::audio::{Audio, Shape};
use serde_json::json;

use crate::service::Service;
use crate::support::{browser::Browser, wait::STEP};

/// Controls without a name, and ids that are there twice.
const FAULTS: &str = r"
    const faults = [];
    const visible = (it) => it.checkVisibility();
    for (const it of [...document.querySelectorAll('button, input, select, a, canvas, progress, dialog, [role=meter]')].filter(visible)) {
        if (it.closest('[aria-hidden=true]')) continue;
        const named = it.getAttribute('aria-label') || it.labels?.length || it.textContent.trim()
            || document.getElementById(it.getAttribute('aria-labelledby'))?.textContent.trim();
        if (!named) faults.push(`no name: ${it.outerHTML.slice(0, 120)}`);
    }
    const ids = [...document.querySelectorAll('[id]')].map((it) => it.id);
    ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => faults.push(`twice: ${id}`));
    for (const it of document.querySelectorAll('[aria-controls], [aria-labelledby], [aria-describedby]')) {
        for (const name of ['aria-controls', 'aria-labelledby', 'aria-describedby']) {
            const id = it.getAttribute(name);
            if (id && !document.getElementById(id)) faults.push(`${name} leads nowhere: ${id}`);
        }
    }
    if ([...document.querySelectorAll('h1')].filter(visible).length !== 1) faults.push('not one h1');
    return faults;
";

#[tokio::test(flavor = "multi_thread")]
async fn every_control_has_a_name() {
    let service = Service::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("short.wav");
    fs::write(&wav, Audio::music(Shape::VOICE, 2.0, 3).wav().unwrap()).unwrap();
    Browser::visit(async |browser| {
        browser.client().goto(&service.url()).await.unwrap();
        assert_eq!(browser.run(FAULTS).await, json!([]));
        browser.click("#options summary").await;
        browser.choose("#file", &wav).await;
        browser
            .until("return document.querySelector('.outcome') && !document.querySelector('.outcome').hidden", STEP)
            .await;
        assert_eq!(browser.run(FAULTS).await, json!([]));
        browser.click("#tab-live").await;
        assert_eq!(browser.run(FAULTS).await, json!([]));
        browser.run("document.getElementById('token-dialog').showModal()").await;
        assert_eq!(browser.run(FAULTS).await, json!([]));
    })
    .await;
}
