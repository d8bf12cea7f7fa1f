//! Which gateways get which policy, and what their reports change.

use http::StatusCode;
use outrigger_operator::objects::binding::Binding;
use outrigger_operator::plan::revision::SidecarState;
use outrigger_operator::stream::Hub;
use outrigger_sync::{FromGateway, Hello, PolicyOutcome, Rejection};

use crate::client::{GatewayStream, connect, until};
use crate::world::{StreamWorld, binding, claims, credential, echo, revised, secret, written};

fn only(world: &StreamWorld) -> Option<SidecarState> {
    world.hub.states().into_iter().next()
}

#[tokio::test]
async fn a_hello_is_answered_with_the_policy_and_the_outcome_is_recorded() {
    let world = StreamWorld::new().await;
    world.hub.publish(&revised(binding(), 42, vec![credential("openai", "sk-1", &["search"])], &[]));
    let mut stream = GatewayStream::open(&world, &world.pod("search-1", "search")).await.unwrap();
    let authorities = vec!["ab".to_owned()];
    stream.hello(Hello { sequence: Some(41), authorities: authorities.clone(), ..Hello::default() }).await;
    let policy = stream.policy().await;
    assert_eq!((policy.sequence, policy.document.sequence, policy.digest.as_str()), (42, 42, "digest-42"));
    assert_eq!((&policy.credentials[0].secret, policy.credentials[0].value.as_str()), (&secret("openai"), "sk-1"));
    let state = until(&world, || only(&world)).await;
    assert_eq!((state.sequence, &state.authorities), (Some(41), &authorities));
    stream.accepted(42).await;
    let state = until(&world, || only(&world).filter(|state| state.sequence == Some(42))).await;
    assert_eq!(state.binding, binding());
    assert_eq!(
        (state.namespace.as_str(), state.pod.as_str(), state.uid.as_str()),
        ("shop", "search-1", "uid-search-1")
    );
    assert_eq!((state.version.as_str(), state.rejected), ("0.1.0", None));
    assert_eq!(world.hub.highest(&binding()), Some(42));
    drop(stream);
    until(&world, || world.hub.states().is_empty().then_some(())).await;
    assert_eq!(world.hub.connected(), 0);
}

/// An invented, implausible sequence must neither hide a gateway that is really ahead, nor be followed.
#[tokio::test]
async fn an_implausible_sequence_hides_no_plausible_one() {
    let world = StreamWorld::new().await;
    let liar = GatewayStream::open(&world, &world.pod("search-1", "search")).await.unwrap();
    liar.hello(Hello { sequence: Some(u64::MAX), ..Hello::default() }).await;
    until(&world, || only(&world)).await;
    assert_eq!(world.hub.highest(&binding()), None);
    let honest = GatewayStream::open(&world, &world.pod("search-2", "search")).await.unwrap();
    honest.hello(Hello { sequence: Some(41), ..Hello::default() }).await;
    assert_eq!(until(&world, || world.hub.highest(&binding())).await, 41);
}

#[tokio::test]
async fn each_newer_policy_follows_and_an_older_one_never() {
    let world = StreamWorld::new().await;
    let mut stream = GatewayStream::new(&world, &world.pod("search-1", "search")).await;
    for (published, seen) in [(3, Some(3)), (2, None), (4, Some(4)), (4, None), (9, Some(9))] {
        world.hub.publish(&written(published));
        if let Some(sequence) = seen {
            assert_eq!(stream.policy().await.sequence, sequence);
        }
    }
    // The policy of another binding.
    world.hub.publish(&revised(Binding::of("shop", "batch"), 11, Vec::new(), &[]));
    world.hub.publish(&written(10));
    assert_eq!(stream.policy().await.sequence, 10);
}

#[tokio::test]
async fn a_policy_that_a_gateway_has_is_not_sent_again() {
    let cases = [
        // (sequence, digest) of the hello, and the first policy that is sent. Policy 7 exists, and 8 follows.
        (Some(7), Some("digest-7"), 8),
        // Loaded from mounted files: the same policy, but without credentials from the stream.
        (Some(7), None, 7),
        (Some(7), Some("another"), 7),
        (Some(6), Some("digest-6"), 7),
        (None, None, 7),
        // Ahead of the operator's policy, which the gateway would refuse.
        (Some(100), None, 101),
    ];
    for (sequence, digest, first) in cases {
        let world = StreamWorld::new().await;
        world.hub.publish(&written(7));
        let mut stream = GatewayStream::open(&world, &world.pod("search-1", "search")).await.unwrap();
        stream.hello(Hello { sequence, digest: digest.map(str::to_owned), ..Hello::default() }).await;
        until(&world, || only(&world)).await;
        assert_eq!(world.hub.highest(&binding()), sequence);
        if first != 7 {
            world.hub.publish(&written(8));
            world.hub.publish(&written(first));
        }
        assert_eq!(stream.policy().await.sequence, first, "{sequence:?} {digest:?}");
    }
}

#[tokio::test]
async fn a_rejection_is_recorded_until_the_next_accepted_policy() {
    let world = StreamWorld::new().await;
    world.hub.publish(&written(1));
    let mut stream = GatewayStream::new(&world, &world.pod("search-1", "search")).await;
    stream.policy().await;
    stream.accepted(1).await;
    world.hub.publish(&written(2));
    stream.policy().await;
    let rejected = Rejection {
        sequence: 2,
        object: "LLMProvider shop/openai".to_owned(),
        path: "spec.endpoint".to_owned(),
        message: "é".repeat(2_000),
    };
    stream.refused(rejected).await;
    let state = until(&world, || only(&world).filter(|state| state.rejected.is_some())).await;
    let rejection = state.rejected.unwrap();
    assert_eq!((state.sequence, rejection.sequence, rejection.path.as_str()), (Some(1), 2, "spec.endpoint"));
    assert_eq!(rejection.message, "é".repeat(512), "what gateways say is bounded");
    world.hub.publish(&written(3));
    stream.policy().await;
    let outcome = PolicyOutcome { sequence: 3, authorities: vec!["cd".to_owned()], ..PolicyOutcome::default() };
    stream.send(&FromGateway::Outcome(outcome)).await;
    let state = until(&world, || only(&world).filter(|state| state.rejected.is_none())).await;
    assert_eq!((state.sequence, state.authorities), (Some(3), vec!["cd".to_owned()]));
}

#[tokio::test]
async fn credentials_go_to_service_accounts_that_may_use_a_key_that_reaches_them() {
    let world = StreamWorld::new().await;
    let credentials = vec![
        credential("both", "sk-both", &["search", "batch"]),
        credential("batch", "sk-batch", &["batch"]),
        credential("open", "sk-open", &["open"]),
        credential("nobody", "sk-nobody", &[]),
    ];
    let allowed: [(&str, &[&str]); 2] = [("search", &["web", "jobs"]), ("batch", &["jobs"])];
    world.hub.publish(&revised(binding(), 1, credentials, &allowed));
    for (account, expected) in [
        ("web", ["sk-both", "", "sk-open", ""]),
        ("jobs", ["sk-both", "sk-batch", "sk-open", ""]),
        ("other", ["", "", "sk-open", ""]),
    ] {
        let mut stream = GatewayStream::new(&world, &world.pod(&format!("pod-{account}"), account)).await;
        let policy = stream.policy().await;
        let values: Vec<&str> = policy.credentials.iter().map(|credential| credential.value.as_str()).collect();
        assert_eq!(values, expected, "{account}");
    }
}

#[tokio::test]
async fn a_second_stream_of_a_pod_replaces_the_first() {
    let world = StreamWorld::new().await;
    let token = world.pod("search-1", "search");
    let mut first = GatewayStream::new(&world, &token).await;
    until(&world, || only(&world)).await;
    let mut second = GatewayStream::new(&world, &token).await;
    assert_eq!(first.next().await, None);
    world.hub.publish(&written(5));
    assert_eq!(second.policy().await.sequence, 5);
    assert_eq!(world.hub.connected(), 1);
}

#[tokio::test]
async fn a_follower_names_the_leader() {
    let world = StreamWorld::new().await;
    let token = world.pod("search-1", "search");
    let mut stream = GatewayStream::new(&world, &token).await;
    until(&world, || only(&world)).await;
    world.hub.lead(false);
    assert_eq!(stream.next().await, None, "losing leadership ends streams");
    let refused = GatewayStream::open(&world, &token).await.unwrap_err();
    assert_eq!((refused.status, refused.error["type"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("no_leader")));
    world.hub.leader(Some("10.0.0.7:10250".to_owned()));
    // Followers send every client away, without a check of its token.
    let refused = GatewayStream::open(&world, "none").await.unwrap_err();
    assert_eq!(refused.status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(refused.headers[outrigger_sync::LEADER], "10.0.0.7:10250");
    assert_eq!(refused.error["message"], "this replica does not lead; 10.0.0.7:10250 does");
    world.hub.lead(true);
    world.hub.publish(&written(1));
    assert_eq!(GatewayStream::new(&world, &token).await.policy().await.sequence, 1);
}

#[tokio::test]
async fn a_withdrawn_policy_is_not_sent_and_streams_stay_open() {
    let world = StreamWorld::new().await;
    world.hub.publish(&written(1));
    world.hub.withdraw(&binding());
    let mut stream = GatewayStream::new(&world, &world.pod("search-1", "search")).await;
    until(&world, || only(&world)).await;
    world.hub.withdraw(&binding());
    world.hub.publish(&written(2));
    assert_eq!(stream.policy().await.sequence, 2);
}

#[tokio::test]
async fn the_number_of_streams_is_limited() {
    let world = StreamWorld::with(Hub::new(1), echo).await;
    let token = world.pod("search-1", "search");
    let _first = GatewayStream::new(&world, &token).await;
    let refused = GatewayStream::open(&world, &world.pod("search-2", "search")).await.unwrap_err();
    assert_eq!(refused.error["type"], "too_many_streams");
    // A second stream of the same pod replaces its first.
    GatewayStream::open(&world, &token).await.unwrap();
}

#[tokio::test]
async fn unknown_messages_are_counted_and_invalid_ones_end_the_stream() {
    let world = StreamWorld::new().await;
    let mut stream = GatewayStream::new(&world, &world.pod("search-1", "search")).await;
    stream
        .send_bytes(&b"{\"grants\":[{\"account\":\"a\"}]}\n{\"outcome\":{\"sequence\":1,\"mood\":\"good\"}}\n"[..])
        .await;
    until(&world, || only(&world).filter(|state| state.sequence == Some(1))).await;
    assert_eq!(world.hub.unknown(), 1);
    stream.send_bytes(&b"good morning\n"[..]).await;
    assert_eq!(stream.next().await, None);
    let mut stream = GatewayStream::new(&world, &world.pod("search-1", "search")).await;
    let mut sent = 0;
    // An endless line. The stream may end before all of it is read.
    while sent < (300 << 10) && stream.try_send(vec![b'x'; 16 << 10]).await {
        sent += 16 << 10;
    }
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_gateway_that_does_not_read_delays_no_other() {
    let world = StreamWorld::new().await;
    let large =
        |sequence| revised(binding(), sequence, vec![credential("a", &"k".repeat(900 << 10), &["search"])], &[]);
    let idle = GatewayStream::new(&world, &world.pod("idle", "search")).await;
    let mut busy = GatewayStream::new(&world, &world.pod("busy", "search")).await;
    until(&world, || (world.hub.states().len() == 2).then_some(())).await;
    for sequence in 1..=20 {
        world.hub.publish(&large(sequence));
        assert_eq!(busy.policy().await.sequence, sequence);
    }
    // It gets only what was sent before its window was full, and the newest policy.
    let mut idle = idle;
    let mut seen = Vec::new();
    while seen.last() != Some(&20) {
        seen.push(idle.policy().await.sequence);
    }
    assert!(seen.len() < 10, "{seen:?}");
}

#[tokio::test]
async fn a_thousand_gateways_on_one_binding_and_on_a_thousand() {
    for alone in [false, true] {
        let world = StreamWorld::new().await;
        let mut streams = Vec::new();
        let mut sender = connect(&world).await;
        for number in 0..1_000 {
            if number % 125 == 0 {
                sender = connect(&world).await;
            }
            let namespace = if alone { format!("shop-{number}") } else { "shop".to_owned() };
            let (pod, uid) = (format!("pod-{number}"), format!("uid-{number}"));
            world.pods.add(&namespace, &pod, &uid, "search");
            let token = world.signer.sign(&claims(&namespace, &pod, &uid, "search"));
            let stream = GatewayStream::on(&mut sender, &token).await.unwrap();
            stream.hello(Hello::default()).await;
            streams.push((Binding::of(&namespace, "search"), stream));
        }
        for sequence in [1, 2] {
            for (binding, _) in streams.iter().take(if alone { 1_000 } else { 1 }) {
                world.hub.publish(&revised(binding.clone(), sequence, Vec::new(), &[]));
            }
            for (_, stream) in &mut streams {
                assert_eq!(stream.policy().await.sequence, sequence);
                stream.accepted(sequence).await;
            }
            until(&world, || {
                let states = world.hub.states();
                (states.len() == 1_000 && states.iter().all(|state| state.sequence == Some(sequence))).then_some(())
            })
            .await;
        }
    }
}
