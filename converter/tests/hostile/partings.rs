//! Clients that leave: with a farewell (FIN) or without (RST), at random points of an upload, of an answer, and of a stream.
//! The server counts each of them once.

use crate::{
    case::{Case, Expect, Kind, Step, binary, end, named, post, request},
    sounds::wav,
    support::Random,
};

use Expect::Counted;

/// How a client leaves.
fn ways() -> [(&'static str, Step); 2] {
    [("closes", Step::Finish), ("resets", Step::Reset)]
}

pub fn cases() -> Vec<Case> {
    let mut random = Random::new(77);
    let mut below = |most: usize| random.bits() as usize % most;
    let mut cases = Vec::new();
    let sound = wav(200_000);
    for round in 0..8 {
        for (how, leave) in ways() {
            // The head is complete, so that there is an upload; one byte of it at least is missing.
            let sent = below(sound.len() - 1) + 1;
            let declared = format!("Content-Length: {}\r\n", sound.len());
            for path in ["/convert", "/convert?progressive=true"] {
                cases.push(Case::new(
                    format!("a client of {path} {how} after {sent} bytes, round {round}"),
                    vec![Step::Send(request(&format!("POST {path}"), &declared, &sound[..sent])), leave.clone()],
                    Counted(Kind::Upload, "aborted"),
                ));
            }
        }
        for (how, leave) in ways() {
            let sent = below(sound.len());
            let cut = below(9) + 1;
            let frames = binary(&sound[..sent], 5_000);
            // In the middle of a frame, or of its head.
            let partly = binary(&[0; 100], 100)[..cut].to_vec();
            cases.push(Case::new(
                format!("a stream {how} after {sent} bytes and {cut} of a frame, round {round}"),
                vec![Step::Send(named()), Step::Await(b"ready"), Step::Send(frames), Step::Send(partly), leave],
                Counted(Kind::Stream, "aborted"),
            ));
        }
        for (how, leave) in ways() {
            // The whole upload is there, so it is converted, but only a part of the answer is taken.
            let taken = below(200_000) + 1;
            cases.push(Case::new(
                format!("a client {how} after {taken} bytes of its answer, round {round}"),
                vec![Step::Send(post("", "", &sound)), Step::AwaitLength(taken), leave],
                Counted(Kind::Upload, "converted"),
            ));
        }
        for (how, leave) in ways() {
            let sent = (below(90) + 10) * 2_000;
            let taken = below(sent / 4) + 1;
            let frames = binary(&sound[..sent], 5_000);
            cases.push(Case::new(
                format!("a stream {how} after {taken} bytes of its frames of {sent}, round {round}"),
                vec![Step::Send(named()), Step::Send(frames), Step::AwaitLength(taken), leave],
                Counted(Kind::Stream, "aborted"),
            ));
        }
    }
    for (how, leave) in ways() {
        cases.push(Case::new(
            format!("a stream {how} behind its end"),
            vec![
                Step::Send(named()),
                Step::Send(binary(&wav(3_000), 1_000)),
                Step::Send(end()),
                Step::Await(b"done"),
                leave,
            ],
            Counted(Kind::Stream, "converted"),
        ));
    }
    for (how, leave) in ways() {
        cases.push(Case::new(
            format!("a progressive answer {how} in the middle"),
            vec![
                Step::Send(request("POST /convert?progressive=true", "Content-Length: 400044\r\n", &sound[..200_000])),
                Step::AwaitLength(50_000),
                leave,
            ],
            Counted(Kind::Upload, "aborted"),
        ));
    }
    cases
}
