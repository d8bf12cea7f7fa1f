//! Limits that gateways share: only what the ledger grants is spent.

use std::sync::Arc;

use outrigger_core::{ObjectRef, Window};
use outrigger_ledger::protocol::{
    AccountGrant, AccountKey, AccountUsage, DurableUsage, FleetAccount, Grants, LimitKey, Shortage, Term, UsageReport,
};
use outrigger_policy::{
    BudgetDoc, Document, FailOpenDoc, LimitsDoc, ModelDoc, Price, RuleDoc, ThresholdAction, ThresholdDoc, Unit,
};
use outrigger_sync::{FromGateway, FromOperator};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::again::to_small;
use crate::escrow::nanos;
use crate::fake::{Act, Fake, answer};
use crate::limits::{limit, priced, short};
use crate::operator::{Authority, Operator, Pod, Sidecar, Stream, in_force, soon};
use crate::policies::Answer;

const MAX: u64 = 1_000_000_000;
/// Enough for one request of [`short`]: it may cost 0.1 and its input.
const ONE: u64 = 150_000_000;
/// The cost of its answer.
const COST: u64 = 23_000_000;
const NAME: &str = "VirtualKey default/app: spec.limits.budgets[all]";

/// A key with a dollar that other gateways spend too.
fn a_shared_dollar(upstream: &Fake) -> Document {
    let mut document = priced(&[("first", &upstream.url)]);
    document.keys[0].limits.budgets = vec![limit("all", MAX)];
    document.shared()
}

/// An account of the limit with this much granted, for the duration of the test.
fn granted(amount: u64) -> AccountGrant {
    AccountGrant {
        account: AccountKey { limit: LimitKey::new(NAME, "usd"), start: 0 },
        end: None,
        valid_for_ms: None,
        begins_in_ms: 0,
        granted: amount,
        durable: DurableUsage::default(),
        over: false,
        recall: false,
        short: None,
        fleet: FleetAccount { limit: MAX, ..FleetAccount::default() },
    }
}

/// The ledger's end of a stream.
struct Ledger {
    stream: Stream,
    term: u64,
}

impl Ledger {
    /// The next report.
    async fn report(&mut self) -> UsageReport {
        loop {
            match self.stream.message().await {
                FromGateway::Usage(report) => return report,
                FromGateway::Beat(_) | FromGateway::Outcome(_) | FromGateway::Permits(_) => {}
                other => panic!("not a report: {other:?}"),
            }
        }
    }

    fn grant_as(&self, term: u64, report: &UsageReport, accounts: Vec<AccountGrant>) {
        let (epoch, answers) = (report.epoch, report.number);
        let grants = Grants { epoch, term: Term(term), answers, accounts, ..Grants::default() };
        self.stream.write(&FromOperator::Grants(grants));
    }

    fn grant(&self, report: &UsageReport, accounts: Vec<AccountGrant>) {
        self.grant_as(self.term, report, accounts);
    }

    /// The first report by which the gateway follows this leader.
    async fn followed(&mut self) -> UsageReport {
        loop {
            let report = self.report().await;
            if report.term == Term(self.term) {
                return report;
            }
            self.grant(&report, Vec::new());
        }
    }

    /// Answers every report in the same way until `done` completes.
    async fn answering<T>(
        &mut self,
        answer: impl Fn(&UsageReport) -> Vec<AccountGrant>,
        done: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(done);
        loop {
            tokio::select! {
                done = &mut done => return done,
                report = self.report() => self.grant(&report, answer(&report)),
            }
        }
    }
}

/// The only account of a report.
fn account(report: &UsageReport) -> &AccountUsage {
    let [account] = &report.accounts[..] else { panic!("one account: {report:?}") };
    account
}

struct Stage {
    operator: Operator,
    pod: Pod,
    sidecar: Sidecar,
    ledger: Ledger,
}

/// A gateway that follows the leader of term 5, and was granted this much.
async fn stage(upstream: &Fake, amount: u64) -> Stage {
    let authority = Authority::new();
    let (mut operator, pod) = (Operator::new(&authority).await, Pod::new(&authority.pem));
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, hello) = operator.stream().await;
    assert_eq!(hello.formats, [1, 2], "it may be told that limits are shared");
    in_force(1, &stream.push(&a_shared_dollar(upstream), &[("first-main", "sk-1")]).await);
    let mut ledger = Ledger { stream, term: 5 };
    let report = ledger.followed().await;
    assert!(report.whole);
    if amount > 0 {
        ledger.grant(&report, vec![granted(amount)]);
        is_granted(&sidecar, amount).await;
    }
    Stage { operator, pod, sidecar, ledger }
}

/// Waits until this much may be reserved.
async fn is_granted(sidecar: &Sidecar, amount: u64) {
    let dollars = outrigger_core::Money::from_nanos(amount).exact();
    soon("a grant", async {
        while level(sidecar).await["granted"] != dollars.as_str() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn level(sidecar: &Sidecar) -> Value {
    sidecar.running.admin("/policy").await["limits"][0].clone()
}

async fn ask(sidecar: &Sidecar) -> Answer {
    sidecar.running.post("/v1/chat/completions", &short("m")).await
}

#[tokio::test]
async fn a_request_waits_for_a_grant_and_is_served() {
    let upstream = Fake::always(answer("hi")).await;
    let Stage { operator: _operator, pod: _pod, sidecar, mut ledger } = stage(&upstream, 0).await;
    let wants = async |ledger: &mut Ledger| loop {
        let report = ledger.report().await;
        match &report.wanted[..] {
            [wanted] if wanted.want > 0 => {
                assert_eq!(wanted.limit, LimitKey::new(NAME, "usd"));
                assert!((100_000_000..ONE).contains(&wanted.least), "{wanted:?}");
                return report;
            }
            _ => ledger.grant(&report, Vec::new()),
        }
    };
    let (got, report) = tokio::join!(ask(&sidecar), async {
        let report = wants(&mut ledger).await;
        assert_eq!(upstream.asked().len(), 0, "nothing leaves before it is granted");
        ledger.grant(&report, vec![granted(ONE)]);
        report
    });
    assert_eq!((got.status, report.term), (200, Term(5)), "{}", got.text);
    let report = soon("what it cost", async {
        loop {
            let report = ledger.report().await;
            if report.accounts.iter().any(|account| account.spent > 0) {
                return report;
            }
            ledger.grant(&report, vec![granted(ONE)]);
        }
    })
    .await;
    let AccountUsage { spent, reserved, granted, returned, .. } = *account(&report);
    assert_eq!((spent, reserved, granted, returned), (COST, 0, ONE, 0));
}

#[tokio::test]
async fn a_request_without_a_grant_is_refused_in_every_dialect() {
    let upstream = Fake::always(answer("hi")).await;
    let gemini = json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": 10}});
    let requests = [
        ("/v1/chat/completions", short("m"), "/error/type"),
        ("/v1/messages", short("m"), "/error/reason"),
        ("/v1beta/models/m:generateContent", gemini, "/error/details/0/reason"),
    ];
    // The last two: the ledger answers, but says nothing of the limit, or grants nothing and does not say why. It may be
    // writing down the first grant: nobody is known to hold what is left.
    for (answer, status, kind, after) in [
        (Some(Some(Shortage::Spent)), 402, "budget_exceeded", None),
        (Some(Some(Shortage::Leased)), 429, "budget_contended", Some("1")),
        (Some(Some(Shortage::Unavailable)), 503, "budget_unavailable", Some("5")),
        (None, 503, "budget_unavailable", Some("5")),
        (Some(None), 503, "budget_unavailable", Some("5")),
    ] {
        let Stage { operator: _operator, pod: _pod, sidecar, mut ledger } = stage(&upstream, 0).await;
        let answers = requests.each_ref().map(|(path, body, _)| sidecar.running.post(path, body));
        let [first, second, third] = answers;
        let shortage = answer.flatten();
        let (spent, leased) = if shortage == Some(Shortage::Spent) { (MAX - 1_000, 0) } else { (0, MAX - 1_000) };
        let fleet = FleetAccount { limit: MAX, spent, leased, ..FleetAccount::default() };
        let refused = |_: &UsageReport| match answer {
            Some(short) => vec![AccountGrant { short, fleet, ..granted(0) }],
            None => Vec::new(),
        };
        let got = ledger.answering(refused, async { tokio::join!(first, second, third) }).await;
        for (got, (path, _, pointer)) in [got.0, got.1, got.2].iter().zip(&requests) {
            let (body, is_final) = (got.json(), status == 402);
            let word = body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            assert_eq!((got.status, word.to_lowercase().as_str()), (status, kind), "{path}: {}", got.text);
            assert_eq!(got.header("retry-after"), after, "{path}, {answer:?}");
            assert_eq!(got.header("x-should-retry"), is_final.then_some("false"), "{path}, {answer:?}");
            assert!(got.text.contains(NAME), "{path} names the limit: {}", got.text);
        }
    }
    assert_eq!(upstream.asked().len(), 0);
}

#[tokio::test]
async fn a_rule_for_the_last_percent_uses_what_the_ledger_reports_as_left() {
    let upstream = Fake::always(answer("hi")).await;
    let authority = Authority::new();
    let (mut operator, pod) = (Operator::new(&authority).await, Pod::new(&authority.pem));
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    let mut document = a_shared_dollar(&upstream);
    let small = Price { input: 1_000_000_000, output: 10_000_000_000, ..Price::default() };
    document.providers[0].models.push(ModelDoc { name: "small".to_owned(), price: Some(small), ..ModelDoc::default() });
    document.keys[0].providers[0].models.push("small".to_owned());
    document.rules = vec![to_small("budget_used > 99")];
    in_force(1, &stream.push(&document, &[("first-main", "sk-1")]).await);
    let mut ledger = Ledger { stream, term: 5 };
    let report = ledger.followed().await;
    // Eight cents of the dollar are left in total: this gateway holds one of them.
    let (left, held) = (80_000_000, 10_000_000);
    let fleet = |leased| FleetAccount { limit: MAX, spent: MAX - left, leased, ..FleetAccount::default() };
    ledger.grant(&report, vec![AccountGrant { fleet: fleet(held), ..granted(held) }]);
    is_granted(&sidecar, held).await;
    let spent = |report: &UsageReport| {
        let short = report.accounts.iter().any(|account| account.want > 0).then_some(Shortage::Spent);
        vec![AccountGrant { short, fleet: fleet(held), ..granted(held) }]
    };
    let got = ledger.answering(spent, ask(&sidecar)).await;
    assert_eq!((got.status, got.header("x-outrigger-model")), (200, Some("small")), "{}", got.text);
    assert_eq!(sidecar.running.record().await["decided_again"], NAME);
}

#[tokio::test]
async fn grants_of_an_earlier_leader_are_ignored() {
    let upstream = Fake::always(answer("hi")).await;
    let Stage { operator: _operator, pod: _pod, sidecar, mut ledger } = stage(&upstream, ONE).await;
    // A request that needs more causes a report to answer.
    let _asks = tokio::spawn({
        let (client, url) = (reqwest::Client::new(), sidecar.running.url("/v1/chat/completions"));
        let mut body = short("m");
        body["max_tokens"] = json!(40);
        async move { client.post(url).json(&body).send().await }
    });
    let report = loop {
        let report = ledger.report().await;
        if report.accounts.iter().any(|account| account.want > 0) {
            break report;
        }
        ledger.grant(&report, vec![granted(ONE)]);
    };
    ledger.grant_as(4, &report, vec![granted(MAX)]);
    ledger.grant(&report, vec![granted(ONE + 1)]);
    is_granted(&sidecar, ONE + 1).await;
    // A late message with a lower grant is ignored too.
    ledger.grant(&report, vec![granted(ONE)]);
    ledger.grant(&report, vec![granted(ONE + 2)]);
    is_granted(&sidecar, ONE + 2).await;
}

#[tokio::test]
async fn a_restart_continues_with_its_grants_and_its_leader() {
    let upstream = Fake::always(answer("hi")).await;
    let Stage { operator, pod, sidecar, ledger } = stage(&upstream, 2 * ONE).await;
    assert_eq!(ask(&sidecar).await.status, 200);
    let url = operator.url();
    drop((ledger, operator));
    sidecar.kill().await;
    let sidecar = pod.start(&url).await;
    assert_eq!(ask(&sidecar).await.status, 200, "no ledger is needed for what is held");
    let held = level(&sidecar).await;
    assert_eq!((&held["spent"], &held["granted"]), (&json!("0.046"), &json!("0.254")));
    sidecar.kill().await;
    let authority = Authority::new();
    pod.write("policy/ca.crt", &authority.pem);
    let mut operator = Operator::new(&authority).await;
    let sidecar = pod.start(&operator.url()).await;
    let (stream, _) = operator.stream().await;
    let report = Ledger { stream, term: 0 }.report().await;
    sidecar.kill().await;
    let account = account(&report);
    assert_eq!((report.term, report.whole), (Term(5), true));
    assert_eq!((account.spent, account.reserved, account.granted), (2 * COST, 0, 2 * ONE));
}

#[tokio::test]
async fn a_lost_stream_fails_no_request_while_something_is_held() {
    let go = Arc::new(Notify::new());
    let slow = vec![[vec![Act::Wait(Arc::clone(&go))], answer("hi")].concat(), answer("hi")];
    let upstream = Fake::new(slow).await;
    let Stage { mut operator, pod: _pod, sidecar, ledger } = stage(&upstream, 30 * ONE).await;
    let under_way = async {
        let before = ask(&sidecar).await;
        let mut after = Vec::new();
        for _ in 0..20 {
            after.push(ask(&sidecar).await.status);
        }
        (before.status, after)
    };
    let cut = async {
        soon("the first request", async {
            while upstream.asked().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let term = ledger.term;
        // Its end of the stream is closed.
        drop(ledger);
        go.notify_one();
        // The next leader.
        let (stream, _) = operator.stream().await;
        Ledger { stream, term: term + 1 }.followed().await
    };
    let ((before, after), report) = tokio::join!(under_way, cut);
    assert_eq!((before, after), (200, vec![200; 20]));
    assert!(report.whole && account(&report).granted == 30 * ONE, "{report:?}");
}

#[tokio::test]
async fn usage_of_others_counts_and_is_shown_with_its_age() {
    let upstream = Fake::always(answer("hi")).await;
    let authority = Authority::new();
    let (mut operator, pod) = (Operator::new(&authority).await, Pod::new(&authority.pem));
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    let mut document = a_shared_dollar(&upstream);
    document.keys[0].limits = LimitsDoc::default();
    document.keys[0].budgets = vec![ObjectRef { namespace: "default".to_owned(), name: "team".to_owned() }];
    document.budgets = vec![BudgetDoc {
        namespace: "default".to_owned(),
        name: "team".to_owned(),
        unit: Unit::Money,
        max: MAX,
        window: Window::Lifetime,
        parent: None,
        thresholds: vec![ThresholdDoc { percent: 50, action: ThresholdAction::Notify }],
        applies_to: None,
        fail_open: None,
    }];
    in_force(1, &stream.push(&document, &[("first-main", "sk-1")]).await);
    let mut ledger = Ledger { stream, term: 5 };
    let report = ledger.followed().await;
    let of_the_team = |amount, spent| {
        let account = AccountKey { limit: LimitKey::new("Budget default/team", "usd"), start: 0 };
        let fleet =
            FleetAccount { limit: MAX, spent, reserved: 100_000_000, age_ms: 60_000, ..FleetAccount::default() };
        AccountGrant { account, fleet, ..granted(amount) }
    };
    ledger.grant(&report, vec![of_the_team(ONE, 400_000_000)]);
    is_granted(&sidecar, ONE).await;
    // Others have spent more.
    ledger.grant(&report, vec![of_the_team(2 * ONE, 600_000_000)]);
    is_granted(&sidecar, 2 * ONE).await;
    assert_eq!(ask(&sidecar).await.status, 200);
    let level = level(&sidecar).await;
    assert_eq!(
        (&level["spent"], &level["reserved"], &level["available"]),
        (&json!("0.623"), &json!("0.10"), &json!("0.277"))
    );
    let record = sidecar.running.record().await;
    let budget = &record["budgets"][0];
    assert_eq!((&budget["name"], &budget["spent"]), (&json!("Budget default/team"), &json!("0.623")));
    let time = |of: &Value| humantime::parse_rfc3339(of.as_str().unwrap()).unwrap();
    for as_of in [&budget["as_of"], &level["as_of"]] {
        assert!(time(as_of) + std::time::Duration::from_secs(60) <= std::time::SystemTime::now(), "{as_of}");
    }
    let metrics = format!("http://{}/metrics", sidecar.running.admin);
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    let age = metrics
        .lines()
        .find_map(|line| line.strip_prefix(r#"outrigger_limit_age_seconds{limit="Budget default/team"} "#));
    assert!(age.is_some_and(|age| age.parse::<f64>().unwrap() >= 60.0), "{metrics}");
    for line in [
        r#"outrigger_budget_spent_usd{budget="Budget default/team"} 0.623"#,
        r#"outrigger_budget_thresholds_total{action="notify",budget="Budget default/team",percent="50"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

/// Whatever decides by a limit reads how it stands over all gateways: this one has spent little.
#[tokio::test]
async fn rules_thresholds_and_weights_go_by_what_the_fleet_has_spent() {
    let (first, second) = (Fake::always(answer("hi")).await, Fake::always(answer("hi")).await);
    let authority = Authority::new();
    let (mut operator, pod) = (Operator::new(&authority).await, Pod::new(&authority.pem));
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    let mut document = priced(&[("first", &first.url), ("second", &second.url)]);
    let small = Price { input: 1_000_000_000, output: 10_000_000_000, ..Price::default() };
    for provider in &mut document.providers {
        let price = Some(small.clone());
        provider.models.push(ModelDoc { name: "small".to_owned(), price, ..ModelDoc::default() });
    }
    for entry in &mut document.keys[0].providers {
        entry.models.push("small".to_owned());
        entry.weight = 1;
    }
    // The account of the first provider, the key's own limit, and a Budget with thresholds.
    document.providers[0].limits.budgets = vec![limit("account", MAX)];
    document.keys[0].limits.budgets = vec![limit("all", MAX)];
    document.keys[0].budgets = vec![ObjectRef { namespace: "default".to_owned(), name: "team".to_owned() }];
    let threshold = |percent, action| ThresholdDoc { percent, action };
    let team = |thresholds| BudgetDoc {
        namespace: "default".to_owned(),
        name: "team".to_owned(),
        unit: Unit::Money,
        max: MAX,
        window: Window::Lifetime,
        parent: None,
        thresholds,
        applies_to: None,
        fail_open: None,
    };
    document.budgets = vec![team(vec![
        threshold(70, ThresholdAction::Downgrade { model: "small".to_owned() }),
        threshold(90, ThresholdAction::Reject),
    ])];
    let refuses = RuleDoc {
        namespace: "default".to_owned(),
        name: "late".to_owned(),
        when: Some("budget_used >= 80 && budget_used < 90".to_owned()),
        reject: Some("the fleet has spent four fifths".to_owned()),
        ..RuleDoc::default()
    };
    document.rules = vec![refuses];
    in_force(1, &stream.push(&document.shared(), &[("first-main", "sk-1"), ("second-main", "sk-2")]).await);
    let mut ledger = Ledger { stream, term: 5 };
    let report = ledger.followed().await;
    let mut amount = 5 * ONE;
    // Others have spent so much of a limit, and this gateway the rest of what is spent.
    let mut stands = async |of: &str, others: u64, own: u64| {
        amount += 1;
        let account = AccountKey { limit: LimitKey::new(of, "usd"), start: 0 };
        let fleet = FleetAccount { limit: MAX, spent: others, ..FleetAccount::default() };
        ledger.grant(&report, vec![AccountGrant { account, fleet, ..granted(amount) }]);
        soon("a grant", async {
            loop {
                let limits = sidecar.running.admin("/policy").await["limits"].clone();
                let limit = limits.as_array().unwrap().iter().find(|limit| limit["name"] == of).unwrap();
                if nanos(&limit["spent"]) == others + own && nanos(&limit["granted"]) > 0 {
                    return;
                }
            }
        })
        .await;
    };
    let (account, team) = ("LLMProvider default/first: spec.limits.budgets[account]", "Budget default/team");
    // Others have spent the first provider's account: of two equal weights only the second is drawn.
    stands(NAME, 0, 0).await;
    stands(team, 0, 0).await;
    stands(account, MAX, 0).await;
    for _ in 0..5 {
        let got = ask(&sidecar).await;
        assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("second")), "{}", got.text);
    }
    assert_eq!(first.asked().len(), 0);
    let served = |got: &Answer| (got.status, got.header("x-outrigger-model").map(str::to_owned));
    let mut own = 5 * COST;
    for (spent, status, model, says) in [
        (690_000_000, 200, Some("m"), ""),
        (750_000_000, 200, Some("small"), ""),
        (850_000_000, 403, None, "the fleet has spent four fifths"),
        (910_000_000, 402, None, "it rejects from 90 %"),
    ] {
        stands(team, spent - own, own).await;
        let got = ask(&sidecar).await;
        assert_eq!(served(&got), (status, model.map(str::to_owned)), "at {spent}: {}", got.text);
        assert!(got.text.contains(says), "at {spent}: {}", got.text);
        own += match model {
            Some("m") => COST,
            Some(_) => COST / 1_000,
            None => 0,
        };
    }
}

#[tokio::test]
async fn without_shared_limits_nothing_is_reported() {
    let upstream = Fake::always(answer("hi")).await;
    let authority = Authority::new();
    let (mut operator, pod) = (Operator::new(&authority).await, Pod::new(&authority.pem));
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    let own = |sequence| Document { format: 1, ledger: Default::default(), sequence, ..a_shared_dollar(&upstream) };
    in_force(1, &stream.push(&own(1), &[("first-main", "sk-1")]).await);
    assert_eq!(ask(&sidecar).await.status, 200);
    assert_eq!(level(&sidecar).await["granted"], Value::Null);
    // The next message is the outcome, and no report came before it.
    in_force(2, &stream.push(&own(2), &[]).await);
}

#[tokio::test]
async fn a_period_ends_when_the_ledger_decides_and_the_next_is_another_account() {
    let upstream = Fake::always(answer("hi")).await;
    let Stage { operator: _operator, pod: _pod, sidecar, mut ledger } = stage(&upstream, 0).await;
    let of = |start, valid_for_ms, amount| {
        let account = AccountKey { start, ..granted(0).account };
        AccountGrant { account, end: Some(start + 1_000), valid_for_ms, ..granted(amount) }
    };
    let asked = ask(&sidecar);
    let got = ledger
        .answering(
            |report| match report.accounts.iter().any(|account| account.returned == 2 * ONE) {
                // It ended before it was used: all of it was returned, and the next one is granted.
                true => vec![of(0, Some(0), 2 * ONE), of(1_000, None, ONE)],
                false => vec![of(0, Some(0), 2 * ONE)],
            },
            asked,
        )
        .await;
    assert_eq!(got.status, 200, "{}", got.text);
    let held = level(&sidecar).await;
    assert_eq!((&held["since"], &held["granted"]), (&json!("1970-01-01T00:00:01Z"), &json!("0.127")));
}

#[tokio::test]
async fn a_stopping_gateway_returns_the_rest_and_waits_for_the_confirmation() {
    let upstream = Fake::always(answer("hi")).await;
    let Stage { mut sidecar, mut ledger, pod, operator } = stage(&upstream, 2 * ONE).await;
    assert_eq!(ask(&sidecar).await.status, 200);
    let ended = sidecar.running.stop();
    let mut words = 0;
    let last = loop {
        let report = ledger.report().await;
        words += u64::from(report.last);
        // It is sent again until it is answered.
        if words == 2 {
            break report;
        }
    };
    assert!(!ended.is_finished());
    let AccountUsage { spent, reserved, granted: in_all, returned, .. } = *account(&last);
    assert_eq!((spent, reserved, in_all, returned), (COST, 0, 2 * ONE, 2 * ONE - COST));
    let durable = DurableUsage { spent, returned };
    ledger.grant(&last, vec![AccountGrant { durable, ..granted(2 * ONE) }]);
    soon("its end", ended).await.unwrap().unwrap();
    let url = operator.url();
    drop((ledger, sidecar));
    // The next process is another holder.
    let _next = pod.start(&url).await;
    let mut operator = operator;
    let (stream, _) = operator.stream().await;
    let report = Ledger { stream, term: 0 }.report().await;
    assert!(report.epoch > last.epoch && report.accounts.is_empty(), "{report:?}");
}

/// The allowance: enough for two of these requests, and for fewer than six.
const OPEN: u64 = ONE + COST;

#[tokio::test]
async fn a_limit_that_fails_open_passes_its_allowance_and_reports_it() {
    let upstream = Fake::always(answer("hi")).await;
    let authority = Authority::new();
    let (mut operator, pod) = (Operator::new(&authority).await, Pod::new(&authority.pem));
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    let mut document = a_shared_dollar(&upstream);
    document.keys[0].fail_open = Some(FailOpenDoc { budget: Some(OPEN), ms: 600_000, ..FailOpenDoc::default() });
    in_force(1, &stream.push(&document, &[("first-main", "sk-1")]).await);
    let mut ledger = Ledger { stream, term: 5 };
    ledger.followed().await;
    assert_eq!(level(&sidecar).await["fail_open"], json!({"max_per_pod": "0.173", "used": "0.00"}));
    let url = operator.url();
    // Nothing was granted, and there is no ledger any more.
    drop((ledger, operator));
    let mut passed = 0;
    let refused = loop {
        let got = ask(&sidecar).await;
        match got.status {
            200 if passed < 10 => passed += 1,
            _ => break got,
        }
    };
    assert!((2..6).contains(&passed), "{passed}");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{}", refused.text);
    assert!(refused.text.contains(NAME) && refused.text.contains("onLedgerUnavailable"), "{}", refused.text);
    let records = sidecar.running.admin("/decisions").await;
    let failed_open: Vec<&Value> = records.as_array().unwrap().iter().map(|record| &record["failed_open"]).collect();
    assert_eq!(failed_open.iter().filter(|open| **open == &json!(true)).count() as u64, passed, "{failed_open:?}");
    let used = outrigger_core::Money::from_nanos(passed * COST).exact();
    let open = &level(&sidecar).await["fail_open"];
    assert_eq!((&open["used"], open["until"].is_string()), (&json!(used), true), "{open}");
    let metrics =
        reqwest::get(format!("http://{}/metrics", sidecar.running.admin)).await.unwrap().text().await.unwrap();
    let line = format!("outrigger_limit_failed_open_total{{limit=\"{NAME}\",unit=\"usd\"}} {passed}");
    assert!(metrics.contains(&line), "{line} in {metrics}");
    // A container that restarts has no new allowance.
    sidecar.kill().await;
    let sidecar = pod.start(&url).await;
    let refused = ask(&sidecar).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    sidecar.kill().await;
    let authority = Authority::new();
    pod.write("policy/ca.crt", &authority.pem);
    let mut operator = Operator::new(&authority).await;
    let sidecar = pod.start(&operator.url()).await;
    let (stream, _) = operator.stream().await;
    let report = Ledger { stream, term: 5 }.followed().await;
    sidecar.kill().await;
    let account = account(&report);
    assert_eq!((account.spent, account.granted, report.whole), (passed * COST, 0, true));
}
