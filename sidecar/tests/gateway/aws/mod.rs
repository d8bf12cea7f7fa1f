//! Amazon Bedrock: signatures with keys of a Secret, and with temporary ones from servers that speak AWS's protocols.

mod converse;
mod verify;

use std::time::{Duration, SystemTime};

use outrigger_policy::{AwsIdentityDoc, BedrockDoc, ModelDoc, ProviderDoc};
use outrigger_sidecar::{AwsPodIdentity, PodIdentity};
use serde_json::json;

use crate::clouds::{base, field as form_field, form, holds_no_secret, running, with_key};
use crate::fake::{Act, Fake, answer, json as reply};
use crate::policies::{chat, document, typed};
use verify::{field, is_signed};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SESSION: &str = "AQoDYXdzEPT//wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW==";
const ROLE: &str = "arn:aws:iam::123456789012:role/gateway";
/// Its claims are `{"aud":["sts.amazonaws.com"]}`.
const POD_TOKEN: &str = "e30.eyJhdWQiOlsic3RzLmFtYXpvbmF3cy5jb20iXX0.c2ln";

fn bedrock(fake: &Fake, more: BedrockDoc) -> ProviderDoc {
    let bedrock = Some(BedrockDoc { region: "eu-central-1".to_owned(), ..more });
    let models = vec![ModelDoc { name: "*".to_owned(), ..ModelDoc::default() }];
    ProviderDoc { bedrock, models, ..typed("bedrock", "OpenAICompatible", &base(fake)) }
}

fn by_identity(fake: &Fake, role: Option<&str>, sts: Option<&Fake>) -> ProviderDoc {
    let workload_identity = Some(AwsIdentityDoc { role_arn: role.map(str::to_owned) });
    let doc = BedrockDoc { workload_identity, token_endpoint: sts.map(base), ..BedrockDoc::default() };
    ProviderDoc { credentials: Vec::new(), ..bedrock(fake, doc) }
}

fn profile(session: Option<&str>) -> String {
    let session = session.map_or(String::new(), |session| format!("aws_session_token = {session}\n"));
    format!("[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {SECRET}\n{session}")
}

fn in_seconds(seconds: i64) -> String {
    let now = SystemTime::now();
    let time = match u64::try_from(seconds) {
        Ok(seconds) => now + Duration::from_secs(seconds),
        Err(_) => now - Duration::from_secs(seconds.unsigned_abs()),
    };
    humantime::format_rfc3339_seconds(time).to_string()
}

/// What STS answers.
fn assumed(id: &str, expires: &str) -> Vec<Act> {
    reply(
        200,
        &format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
             <AssumeRoleWithWebIdentityResult>\n    <Audience>sts.amazonaws.com</Audience>\n    <AssumedRoleUser>\n      \
             <AssumedRoleId>AROA:outrigger</AssumedRoleId>\n    </AssumedRoleUser>\n    <Credentials>\n      \
             <AccessKeyId>{id}</AccessKeyId>\n      <SecretAccessKey>{SECRET}</SecretAccessKey>\n      \
             <SessionToken>{SESSION}</SessionToken>\n      <Expiration>{expires}</Expiration>\n    </Credentials>\n  \
             </AssumeRoleWithWebIdentityResult>\n</AssumeRoleWithWebIdentityResponse>"
        ),
    )
}

/// What the agent of a node and the metadata server of a machine answer.
fn keys(id: &str, expires: &str) -> Vec<Act> {
    let keys = json!({
        "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": id, "SecretAccessKey": SECRET, "Token": SESSION,
        "Expiration": expires,
    });
    reply(200, &keys.to_string())
}

fn token_file() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{POD_TOKEN}\n")).unwrap();
    (folder, file)
}

#[tokio::test]
async fn an_access_key_signs_each_request_and_an_api_key_is_sent() {
    let upstream = Fake::always(answer("hi")).await;
    for session in [None, Some(SESSION)] {
        let running = with_key(bedrock(&upstream, BedrockDoc::default()), &profile(session)).await;
        for text in ["one", "zwei ü"] {
            let mut body = chat("m");
            body["messages"][0]["content"] = json!(text);
            let got = running.post("/v1/chat/completions", &body).await;
            assert_eq!(got.status, 200, "{}", got.text);
        }
        for request in upstream.take_requests() {
            assert!(is_signed(&request, SECRET), "{}", request.head);
            assert!(!is_signed(&request, "another secret"));
            assert_eq!(request.header("x-amz-security-token").as_deref(), session);
            let credential = field(&request, "Credential");
            let scope = credential.strip_prefix("AKIDEXAMPLE/").and_then(|rest| rest.split_once('/'));
            assert_eq!(scope.map(|(_, scope)| scope), Some("eu-central-1/bedrock/aws4_request"), "{credential}");
            assert!(!request.head.contains(SECRET));
        }
    }
    let api_key = "ABSKQmVkcm9ja0FQSUtleS0xMjM0NTY=";
    let running = with_key(bedrock(&upstream, BedrockDoc::default()), api_key).await;
    assert_eq!(running.post("/v1/chat/completions", &chat("m")).await.status, 200);
    let asked = upstream.take_requests();
    assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {api_key}")));
    assert_eq!(asked[0].header("x-amz-date"), None);
}

#[tokio::test]
async fn half_a_key_is_told_without_a_quote() {
    let upstream = Fake::always(answer("hi")).await;
    let half = "aws_secret_access_key = 0123456789abcdefghij";
    let running = with_key(bedrock(&upstream, BedrockDoc::default()), half).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, upstream.asked().len()), (502, 0), "{}", got.text);
    assert!(got.text.contains("the value has no aws_access_key_id"), "{}", got.text);
    holds_no_secret(&got, &running.record().await, &["0123456789abcdefghij"]);
}

#[tokio::test]
async fn a_role_is_assumed_once_for_all_requests() {
    let (_folder, file) = token_file();
    for by_webhook in [false, true] {
        let sts = Fake::always(assumed("ASIAROLE", &in_seconds(3_600))).await;
        let upstream = Fake::always(answer("hi")).await;
        // The role and the file are those of the object and of our own annotation, or those of AWS's webhook.
        let (role, identity) = match by_webhook {
            false => (Some(ROLE), PodIdentity { token_file: Some(file.clone()), ..PodIdentity::default() }),
            true => {
                let aws = AwsPodIdentity {
                    role: Some(ROLE.to_owned()),
                    token_file: Some(file.clone()),
                    ..AwsPodIdentity::default()
                };
                (None, PodIdentity { aws, ..PodIdentity::default() })
            }
        };
        let provider = by_identity(&upstream, role, Some(&sts));
        let running = running(document(1, vec![provider]), identity, None, "").await;
        let body = chat("m");
        let all = futures_util::future::join_all((0..8).map(|_| running.post("/v1/chat/completions", &body))).await;
        assert!(all.iter().all(|got| got.status == 200), "{}", all[0].text);
        let asked = upstream.take_requests();
        assert_eq!(asked.len(), 8);
        for request in &asked {
            assert!(is_signed(request, SECRET), "{}", request.head);
            assert!(field(request, "Credential").starts_with("ASIAROLE/"));
            assert_eq!(request.header("x-amz-security-token").as_deref(), Some(SESSION));
        }
        let fetched = sts.take_requests();
        assert_eq!((fetched.len(), fetched[0].target()), (1, "/"));
        let sent = form(&fetched[0].body);
        for (name, value) in [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", ROLE),
            ("RoleSessionName", "outrigger"),
            ("WebIdentityToken", POD_TOKEN),
        ] {
            assert_eq!(form_field(&sent, name), value);
        }
        assert_eq!(fetched[0].header("authorization"), None);
    }
}

#[tokio::test]
async fn the_agent_of_the_node_gives_keys_to_the_pod() {
    let (_folder, file) = token_file();
    let agent = Fake::always(keys("ASIAAGENT", &in_seconds(3_600))).await;
    let upstream = Fake::always(answer("hi")).await;
    let aws = AwsPodIdentity {
        agent: Some(format!("{}/v1/credentials", base(&agent))),
        agent_token_file: Some(file),
        ..AwsPodIdentity::default()
    };
    let identity = PodIdentity { aws, ..PodIdentity::default() };
    let provider = by_identity(&upstream, None, None);
    let running = running(document(1, vec![provider]), identity, Some("default"), "").await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let asked = upstream.take_requests();
    assert!(is_signed(&asked[0], SECRET) && field(&asked[0], "Credential").starts_with("ASIAAGENT/"));
    let fetched = agent.take_requests();
    assert_eq!((fetched.len(), fetched[0].target()), (1, "/v1/credentials"));
    assert_eq!(fetched[0].header("authorization").as_deref(), Some(POD_TOKEN));
}

#[tokio::test]
async fn the_metadata_server_gives_the_role_of_the_machine() {
    let session = Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsession-1".to_owned());
    let named = Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nnode-role\n".to_owned());
    let metadata = Fake::new(vec![vec![session], vec![named], keys("ASIANODE", &in_seconds(3_600))]).await;
    let upstream = Fake::always(answer("hi")).await;
    let aws = AwsPodIdentity { metadata: Some(base(&metadata)), ..AwsPodIdentity::default() };
    let identity = PodIdentity { aws, ..PodIdentity::default() };
    let provider = by_identity(&upstream, None, None);
    let own = running(document(1, vec![provider.clone()]), identity.clone(), Some("default"), "").await;
    let got = own.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert!(field(&upstream.take_requests()[0], "Credential").starts_with("ASIANODE/"));
    let asked = metadata.take_requests();
    let paths: Vec<_> = asked.iter().map(|request| request.head.lines().next().unwrap_or_default()).collect();
    let roles = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(
        paths,
        [
            "PUT /latest/api/token HTTP/1.1".to_owned(),
            format!("GET {roles} HTTP/1.1"),
            format!("GET {roles}node-role HTTP/1.1")
        ]
    );
    assert_eq!(asked[0].header("x-aws-ec2-metadata-token-ttl-seconds").as_deref(), Some("300"));
    for request in &asked[1..] {
        assert_eq!(request.header("x-aws-ec2-metadata-token").as_deref(), Some("session-1"));
    }
    // A provider of another namespace with an endpoint of its own gets nothing that this pod's identity made.
    let foreign = running(document(1, vec![provider]), identity, Some("elsewhere"), "").await;
    let got = foreign.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, upstream.asked().len(), metadata.asked().len()), (502, 0, 0), "{}", got.text);
    assert!(got.text.contains("gets no token of this pod"), "{}", got.text);
}

#[tokio::test]
async fn a_server_of_keys_that_fails_or_lies_is_told_without_a_secret() {
    let (_folder, file) = token_file();
    let error = |code: &str, message: &str| {
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        )
    };
    let refused = format!("Not authorized to perform sts:AssumeRoleWithWebIdentity with {POD_TOKEN}");
    let without_time = assumed("ASIAROLE", "");
    for (script, words) in [
        (
            reply(403, &error("AccessDenied", &refused)),
            "answered 403: AccessDenied (Not authorized to perform sts:AssumeRoleWithWebIdentity with ***)",
        ),
        (reply(400, &error("ExpiredTokenException", "Token expired &amp; old")), "(Token expired & old)"),
        (reply(503, "<html>down</html>"), "answered 503"),
        (reply(200, "<html>sign in</html>"), "answered with what has no aws_access_key_id"),
        (without_time, "without the time at which its access key expires"),
        (assumed("ASIAROLE", &in_seconds(-60)), "an access key that has expired: do the clocks differ?"),
        (assumed("ASIA\r\nx: y", &in_seconds(60)), "an aws_access_key_id that is none"),
        (vec![Act::Close], "closed the connection"),
    ] {
        let sts = Fake::always(script).await;
        let upstream = Fake::always(answer("hi")).await;
        let provider = by_identity(&upstream, Some(ROLE), Some(&sts));
        let identity = PodIdentity { token_file: Some(file.clone()), ..PodIdentity::default() };
        let running = running(document(1, vec![provider]), identity, None, "").await;
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!((got.status, upstream.asked().len()), (502, 0), "{words}: {}", got.text);
        assert!(got.text.contains(words), "{words}: {}", got.text);
        holds_no_secret(&got, &running.record().await, &[SECRET, SESSION, POD_TOKEN]);
    }
}

#[tokio::test]
async fn without_the_pods_token_and_with_a_foreign_agent_nothing_is_sent() {
    let elsewhere = Fake::always(keys("ASIAAGENT", &in_seconds(3_600))).await;
    let foreign = elsewhere.url.replace("127.0.0.1", "127.0.0.1.nip.io");
    let upstream = Fake::always(answer("hi")).await;
    for (role, agent, words) in [
        (Some(ROLE), None, "the pod's own token: there is none for a cloud"),
        (None, Some(foreign), "only an agent on this machine is asked over http://"),
    ] {
        let aws = AwsPodIdentity { agent, ..AwsPodIdentity::default() };
        let identity = PodIdentity { aws, ..PodIdentity::default() };
        let provider = by_identity(&upstream, role, Some(&elsewhere));
        let running = running(document(1, vec![provider]), identity, None, "").await;
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!((got.status, upstream.asked().len(), elsewhere.asked().len()), (502, 0, 0), "{}", got.text);
        assert!(got.text.contains(words), "{}", got.text);
    }
}

#[tokio::test]
async fn a_session_token_that_the_provider_quotes_is_masked_and_given_up_when_refused() {
    let (_folder, file) = token_file();
    let sts = Fake::always(assumed("ASIAROLE", &in_seconds(3_600))).await;
    let quoted = json!({"message": format!("The canonical string was\nx-amz-security-token:{SESSION}\n")});
    let upstream = Fake::always(reply(403, &quoted.to_string())).await;
    let provider = by_identity(&upstream, Some(ROLE), Some(&sts));
    let identity = PodIdentity { token_file: Some(file), ..PodIdentity::default() };
    let running = running(document(1, vec![provider]), identity, None, "").await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(upstream.asked().len(), 1, "{}", got.text);
    holds_no_secret(&got, &running.record().await, &[SESSION, SECRET]);
}

/// A key that expires within seconds is used once. The next request is signed with another one, for the token that the
/// kubelet has written meanwhile.
#[tokio::test]
async fn a_rotated_token_of_the_pod_is_read_again() {
    let (_folder, file) = token_file();
    let sts = Fake::always(Vec::new()).await;
    let upstream = Fake::always(answer("hi")).await;
    let provider = by_identity(&upstream, Some(ROLE), Some(&sts));
    let identity = PodIdentity { token_file: Some(file.clone()), ..PodIdentity::default() };
    let running = running(document(1, vec![provider]), identity, None, "").await;
    let rotated = format!("{}.cm90YXRlZA", POD_TOKEN.rsplit_once('.').unwrap().0);
    for token in [POD_TOKEN, &rotated] {
        std::fs::write(&file, token).unwrap();
        sts.play(assumed("ASIAROLE", &in_seconds(9)));
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let asked = sts.take_requests();
        assert_eq!((asked.len(), form_field(&form(&asked[0].body), "WebIdentityToken")), (1, token));
    }
}
