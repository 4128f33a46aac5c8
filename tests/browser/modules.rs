//! The page's modules that compute something, each against another implementation of the same.

use md5::{Digest as _, Md5};
use serde_json::Value;

use crate::service::Service;
use crate::support::browser::Browser;

/// Runs the body of an async function in the page, with a module's exports as `it`.
async fn with(browser: &Browser, module: &str, body: &str) -> Value {
    let script = format!(
        "const done = arguments[0]; import('/{module}').then(async (it) => {{ {body} }}).then(done, (error) => done(String(error)));"
    );
    browser.client().execute_async(&script, Vec::new()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_those_of_other_programs() {
    let service = Service::start(&[]).await;
    Browser::visit(async |browser| {
        browser.client().goto(&service.url()).await.unwrap();
        let body = r"
            const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 7 + 3) % 256);
            return Array.from({ length: 300 }, (_, length) => {
                const sum = new it.Md5();
                for (let at = 0; at < length; at += 1 + (at * 5 + length) % 70) {
                    const step = 1 + (at * 5 + length) % 70;
                    sum.update(bytes.subarray(at, Math.min(length, at + step)));
                }
                return sum.hex();
            });
        ";
        let sums = with(browser, "md5.js", body).await;
        let bytes: Vec<u8> = (0..300_u32).map(|i| u8::try_from((i * 7 + 3) % 256).unwrap()).collect();
        for (length, sum) in sums.as_array().unwrap_or_else(|| panic!("{sums}")).iter().enumerate() {
            let expected: [u8; 16] = Md5::digest(&bytes[..length]).into();
            assert_eq!(sum.as_str().unwrap(), format!("{:032x}", u128::from_be_bytes(expected)), "{length} bytes");
        }
        let crc = with(browser, "zip.js", "return await it.crc32(new Blob(['123456789']))").await;
        assert_eq!(crc, 0xcbf4_3926_u32, "the check value of CRC-32");
        let names =
            "const taken = new Set(); return ['a.flac', 'A.flac', 'a.flac', 'b'].map((n) => it.unused(n, taken))";
        assert_eq!(with(browser, "zip.js", names).await.to_string(), r#"["a.flac","A (2).flac","a (3).flac","b"]"#);
    })
    .await;
}

/// A stream that is driven by hand: what it says first, then what each message makes of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_stream_s_protocol_goes_on_where_the_server_can() {
    let service = Service::start(&[]).await;
    Browser::visit(async |browser| {
        browser.client().goto(&service.url()).await.unwrap();
        let fails = with(browser, "stream.js", include_str!("stream.js")).await;
        assert_eq!(fails.to_string(), "[]");
    })
    .await;
}
