//! What a converter may be given beside its pods: each child comes when the spec asks for it, is healed, and goes when the
//! spec no longer asks; those of other people's kinds are among `alone::kinds`. A pause leaves all of them alone.

use serde_json::{Value, json};

use crate::harness::object::{condition, condition_is, is_observed, uid};
use crate::harness::secure::Certificate;
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter};

#[test]
fn a_budget_and_a_pace_follow_the_spec() {
    let namespace = Namespace::restricted("budget");
    let autoscaling = json!({ "minReplicas": 1, "maxReplicas": 3, "memory": { "averageUtilization": 90 },
        "scaleUp": { "maxPodsPerMinute": 2 }, "scaleDown": { "stabilizationSeconds": 600, "maxPodsPerMinute": 1 } });
    converter::ready(
        &namespace,
        "metronome",
        &json!({ "autoscaling": autoscaling, "disruptionBudget": { "minAvailable": "50%" } }),
    );
    let hpa = namespace.until("exists", "hpa/metronome", STEP, |now| Some(now.clone()));
    let behavior = &hpa["spec"]["behavior"];
    assert_eq!(hpa["spec"]["metrics"][0]["resource"]["name"], "memory");
    assert_eq!(behavior["scaleUp"]["policies"], json!([{ "type": "Pods", "value": 2, "periodSeconds": 60 }]));
    assert_eq!(behavior["scaleDown"]["policies"], json!([{ "type": "Pods", "value": 1, "periodSeconds": 60 }]));
    assert_eq!(behavior["scaleDown"]["stabilizationWindowSeconds"], 600);
    let budget = namespace.until("exists", "pdb/metronome", STEP, |now| Some(now.clone()));
    assert_eq!(budget["spec"]["minAvailable"], "50%");

    namespace.patch(
        "acv/metronome",
        &json!({ "spec": { "disruptionBudget": { "minAvailable": null },
            "autoscaling": { "scaleUp": null, "scaleDown": null } } }),
    );
    namespace.until("has its default", "pdb/metronome", STEP, |now| {
        (now["spec"]["maxUnavailable"] == 1 && now["spec"]["minAvailable"] == Value::Null).then_some(())
    });
    namespace.until("has Kubernetes' own pace", "hpa/metronome", STEP, |now| {
        let policies = now["spec"]["behavior"]["scaleDown"]["policies"].as_array();
        policies.is_none_or(|policies| policies.iter().all(|policy| policy["type"] != "Pods")).then_some(())
    });
}

#[test]
fn limits_and_origins_reach_the_pods() {
    let namespace = Namespace::restricted("limits");
    let spec = json!({
        "replicas": 1,
        "encoding": { "verify": true },
        "limits": { "maxConcurrentConversions": 3, "maxStreams": 17, "maxStreamDuration": "90m", "idleTimeout": "45s" },
        "auth": { "allowedOrigins": ["https://studio.example", "https://desk.example"] },
        "drainSeconds": 7,
    });
    converter::ready(&namespace, "strict", &spec);
    let pod = namespace.list("pods").remove(0);
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 37);
    let env = pod["spec"]["containers"][0]["env"].as_array().unwrap().clone();
    for (name, value) in [
        ("FLACSHIP_VERIFY", "true"),
        ("FLACSHIP_MAX_CONVERSIONS", "3"),
        ("FLACSHIP_MAX_STREAMS", "17"),
        ("FLACSHIP_MAX_STREAM_DURATION", "90m"),
        ("FLACSHIP_IDLE_TIMEOUT", "45s"),
        ("FLACSHIP_ALLOWED_ORIGIN", "https://studio.example,https://desk.example"),
        ("FLACSHIP_DRAIN_SECONDS", "7s"),
    ] {
        assert!(env.contains(&json!({ "name": name, "value": value })), "{name}: {env:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_secret_let_in_and_follow_it_without_a_restart() {
    let namespace = Namespace::restricted("tokens");
    let secret = |tokens: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "guests" }, "stringData": { "list": tokens } });
    namespace.apply(&secret("first-guest\n"));
    let spec = json!({ "replicas": 1, "auth": { "bearerTokensSecretRef": { "name": "guests", "key": "list" } } });
    let url = converter::reachable(&namespace, "club", spec).await;
    let client = reqwest::Client::new();
    let ask = async |token: &str| {
        let request = client.post(format!("{url}/convert")).body("no WAV").header("content-type", "audio/wav");
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        request.send().await.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    };
    let refused = [401, 403];
    assert!(refused.contains(&ask("").await.unwrap()), "nobody comes in without a token");
    assert!(!refused.contains(&ask("first-guest").await.unwrap()));
    let pods = || namespace.list("pods").iter().map(uid).collect::<Vec<_>>();
    let before = pods();

    namespace.apply(&secret("second-guest\n"));
    // The kubelet brings a changed Secret into a running pod within its sync period, about a minute.
    wait::until_async("the second guest comes in", STEP, async || match ask("second-guest").await? {
        status if refused.contains(&status) => Err(format!("{status}")),
        _ => Ok(()),
    })
    .await;
    assert!(refused.contains(&ask("first-guest").await.unwrap()), "a token that was struck out is worth nothing");
    assert_eq!(pods(), before, "no pod was made anew");
}

#[test]
fn a_key_of_the_users_takes_the_place_of_ours() {
    let namespace = Namespace::restricted("own-key");
    namespace.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "seal" },
        "stringData": { "wax": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" },
    }));
    let spec = json!({ "replicas": 1, "auth": { "streamKeySecretRef": { "name": "seal", "key": "wax" } } });
    converter::ready(&namespace, "letters", &spec);
    assert!(namespace.find("secret/letters-stream-key").is_none(), "no key of ours is made");
    namespace.patch("acv/letters", &json!({ "spec": { "auth": null } }));
    namespace.until("is made", "secret/letters-stream-key", STEP, |_| Some(()));
}

#[test]
fn pods_answer_over_https_with_the_certificate_of_a_secret() {
    let namespace = Namespace::restricted("tls");
    let node = converter::node().address;
    let certificate = Certificate::of(&node);
    namespace.apply(&certificate.secret("pair"));
    let spec = json!({ "replicas": 1, "tls": { "secretRef": { "name": "pair" } }, "service": { "type": "NodePort", "port": 443 } });
    converter::ready(&namespace, "vault", &spec);
    let service = namespace.get("service/vault");
    let port = &service["spec"]["ports"][0];
    assert_eq!((&port["name"], &port["appProtocol"]), (&json!("https"), &json!("https")));
    let number = u16::try_from(port["nodePort"].as_u64().unwrap()).unwrap();
    let answer = wait::until("the page over HTTPS", STEP, || certificate.get(&node, number, "/healthz"));
    assert!(answer.contains(" 200 "), "{answer}");
    namespace.until("says HTTPS", "acv/vault", STEP, |now| {
        (now["status"]["endpoint"] == format!("https://{node}:{number}")).then_some(())
    });
}

#[test]
fn a_paused_converter_is_left_alone_and_still_seen() {
    let namespace = Namespace::restricted("paused");
    converter::ready(&namespace, "tape-stop", &json!({ "replicas": 1, "disruptionBudget": {} }));
    namespace.patch("acv/tape-stop", &json!({ "spec": { "paused": true } }));
    namespace.until("says that it is paused", "acv/tape-stop", STEP, |now| {
        condition_is(now, "Paused", "True", "PausedBySpec").filter(|_| is_observed(now))
    });

    // By hand, and by the spec: neither is undone or carried out.
    namespace
        .patch("service/tape-stop", &json!({ "spec": { "selector": { "app.kubernetes.io/instance": "nobody" } } }));
    namespace.kubectl("delete pdb/tape-stop");
    namespace.patch("acv/tape-stop", &json!({ "spec": { "encoding": { "compressionLevel": 8 }, "replicas": 2 } }));
    namespace.kubectl("scale deployment/tape-stop --replicas=3");
    let seen = namespace.until("shows the three pods", "acv/tape-stop", STEP, |now| {
        (now["status"]["readyReplicas"] == 3 && is_observed(now)).then(|| now.clone())
    });
    assert_eq!(seen["status"]["desiredReplicas"], 3);
    assert_eq!(condition(&seen, "Ready").unwrap().status, "True");
    assert_eq!(namespace.get("service/tape-stop")["spec"]["selector"]["app.kubernetes.io/instance"], "nobody");
    assert!(namespace.find("pdb/tape-stop").is_none());

    namespace.patch("acv/tape-stop", &json!({ "spec": { "paused": false } }));
    namespace.until("is as the spec says", "deployment/tape-stop", STEP, |now| {
        let env = now["spec"]["template"]["spec"]["containers"][0]["env"].as_array()?;
        let level = env.iter().any(|entry| entry["name"] == "FLACSHIP_LEVEL" && entry["value"] == "8");
        (now["spec"]["replicas"] == 2 && level).then_some(())
    });
    namespace.until("chooses the pods again", "service/tape-stop", STEP, |now| {
        (now["spec"]["selector"]["app.kubernetes.io/instance"] == "tape-stop").then_some(())
    });
    namespace.until("is there again", "pdb/tape-stop", STEP, |_| Some(()));
    namespace.until("is not paused", "acv/tape-stop", STEP, |now| condition_is(now, "Paused", "False", "NotPaused"));
}

#[test]
fn pods_that_stop_are_counted_until_they_are_gone() {
    let namespace = Namespace::restricted("draining");
    converter::ready(&namespace, "fade-out", &json!({ "replicas": 2 }));
    namespace.wait_for("acv/fade-out", "jsonpath={.status.readyReplicas}=2", STEP);
    // A stopping pod takes requests for some seconds more; `kubectl wait` watches, so that they are long enough.
    namespace.kubectl("scale acv/fade-out --replicas=1");
    namespace.wait_for("acv/fade-out", "jsonpath={.status.drainingReplicas}=1", STEP);
    namespace.wait_for("acv/fade-out", "jsonpath={.status.drainingReplicas}=0", STEP);
    // One that has ended is no longer counted, and gone a moment later.
    wait::until("one pod is left", STEP, || match namespace.list("pods").len() {
        1 => Ok(()),
        other => Err(other.to_string()),
    });
}
