use outrigger_core::Periods;
use outrigger_ledger::protocol::{AccountGrant, AccountKey, DurableUsage, FleetAccount, Grants, LimitKey, Term};
use outrigger_ledger::shared::holder::MessageOutcome;

use super::*;

fn limits(max: u64) -> [LimitSpec; 1] {
    [LimitSpec { name: "Budget a/b".to_owned(), unit: "usd", max, window: Periods::lifetime(), fail_open: None }]
}

fn kept(dir: &std::path::Path, max: u64) -> (Arc<Accounts>, LimitNo) {
    let accounts = Arc::new(Accounts::new(Some(dir.to_owned())));
    let [number] = accounts.adopt(&limits(max), Granter::Itself, 1_000).unwrap()[..] else { panic!("one limit") };
    (accounts, number)
}

/// A request that ends after midnight was charged to the day before, and that is the account in its record.
#[test]
fn a_request_over_midnight_is_recorded_with_the_account_that_it_was_charged_to() {
    const DAY: Millis = 86_400_000;
    let accounts = Arc::new(Accounts::new(None));
    let window = Periods::calendar(outrigger_core::CalendarUnit::Day, "UTC", 1).unwrap();
    let limits = [("day", window), ("ever", Periods::lifetime()), ("hour", Periods::rolling(3_600_000).unwrap())];
    let limits = limits.map(|(name, window)| LimitSpec {
        name: name.to_owned(),
        unit: "usd",
        max: 100,
        window,
        fail_open: None,
    });
    let (before, after) = (2 * DAY - 1, 2 * DAY + 1);
    let numbers = accounts.adopt(&limits, Granter::Itself, before).unwrap();
    let [day, ever, hour] = numbers[..] else { panic!("three limits") };
    let wants = [(day, 30), (ever, 30), (hour, 30)];
    let over_midnight = accounts.hold(before, &wants).unwrap();
    accounts.hold(after, &wants).unwrap().settle(&[(day, 5), (ever, 5), (hour, 5)]);
    let settled = over_midnight.settle(&[(day, 20), (ever, 20), (hour, 20)]);
    let charged: Vec<(LimitNo, Millis)> = settled.charged().collect();
    assert_eq!(charged[0], (day, DAY));
    let charged_accounts: Vec<_> =
        accounts.accounts_of(charged.into_iter(), after).into_iter().map(|(spent, since, _)| (spent, since)).collect();
    assert_eq!(charged_accounts, [(20, Some(DAY)), (25, None), (25, None)]);
    let today = accounts.accounts_of([(day, 2 * DAY)].into_iter(), after);
    assert_eq!(today, [(5, Some(2 * DAY), Duration::ZERO)]);
}

#[test]
fn spent_amounts_survive_a_restart_and_requests_in_progress_are_charged_in_full() {
    let dir = tempfile::tempdir().unwrap();
    let (accounts, number) = kept(dir.path(), 100);
    accounts.hold(1_000, &[(number, 30)]).unwrap().settle(&[(number, 10)]);
    let under_way = accounts.hold(1_000, &[(number, 40)]).unwrap();
    assert_eq!((accounts.state(number, 1_000).spent, accounts.state(number, 1_000).reserved), (10, 40));
    // As after a kill: nothing is settled any more.
    std::mem::forget(under_way);
    drop(accounts.lock().pages.take());
    drop(accounts.lock().folder.take());
    let (accounts, number) = kept(dir.path(), 100);
    assert_eq!((accounts.state(number, 1_000).spent, accounts.state(number, 1_000).reserved), (50, 0));
    assert!(accounts.hold(1_000, &[(number, 51)]).is_err());
}

#[test]
fn an_unsettled_reservation_is_charged_in_full() {
    let accounts = Arc::new(Accounts::new(None));
    let number = accounts.adopt(&limits(100), Granter::Itself, 1_000).unwrap()[0];
    drop(accounts.hold(1_000, &[(number, 30)]).unwrap());
    accounts.hold(1_000, &[(number, 30)]).unwrap().give_back();
    assert_eq!(accounts.state(number, 1_000).spent, 30);
}

#[test]
fn a_folder_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = kept(dir.path(), 100);
    let second = Accounts::new(Some(dir.path().to_owned()));
    let error = second.adopt(&limits(100), Granter::Itself, 1_000).unwrap_err().to_string();
    assert!(error.contains("another process's") && error.contains("--state"), "{error}");
    assert!(matches!(second.adopt(&[], Granter::Itself, 1_000), Err(JournalError::Taken { .. })));
    drop(first);
    assert!(second.adopt(&limits(100), Granter::Itself, 1_000).is_ok());
}

#[test]
fn a_folder_is_locked_before_anything_is_limited() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = [(); 2].map(|()| Accounts::new(Some(dir.path().to_owned())));
    assert!(first.adopt(&[], Granter::Itself, 1_000).unwrap().is_empty());
    assert!(matches!(second.adopt(&[], Granter::Itself, 1_000), Err(JournalError::Taken { .. })));
    assert!(matches!(second.adopt(&limits(100), Granter::Itself, 1_000), Err(JournalError::Taken { .. })));
    assert!(!dir.path().join("accounts").exists(), "nothing is to be written down yet");
    assert_eq!(first.adopt(&limits(100), Granter::Itself, 1_000).unwrap().len(), 1);
}

#[test]
fn an_unusable_folder_is_ignored_without_limits() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let accounts = Accounts::new(Some(file.join("state")));
    assert!(accounts.adopt(&[], Granter::Itself, 1_000).unwrap().is_empty());
    assert!(matches!(accounts.adopt(&limits(100), Granter::Itself, 1_000), Err(JournalError::Open { .. })));
}

#[test]
fn damage_is_reported_and_grants_no_money() {
    let dir = tempfile::tempdir().unwrap();
    let (accounts, number) = kept(dir.path(), 100);
    accounts.hold(1_000, &[(number, 30)]).unwrap().settle(&[(number, 30)]);
    drop(accounts);
    let file = dir.path().join("accounts");
    let mut bytes = std::fs::read(&file).unwrap();
    let whole = bytes.clone();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    for (what, bytes, expected) in [
        ("a bit is turned", &bytes[..], "slot 1 of the page file is damaged"),
        ("cut in mid-slot", &whole[..whole.len() - 1], "slot 1 of the page file is damaged"),
        ("cut between slots", &whole[..512], "slot 1 of the page file is damaged"),
        ("cut in the header", &whole[..511], "its first 512 bytes are damaged"),
        ("empty", &[], "it is empty"),
        ("another file", &[b'x'; 1_024], "it is no page file"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let error = Accounts::new(Some(dir.path().to_owned()))
            .adopt(&limits(100), Granter::Itself, 1_000)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected) && error.contains("accounts"), "{what}: {error}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "{what}: it stays as it is");
    }
    // The accounts are on a volume that is not mounted.
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &file).unwrap();
    let error =
        Accounts::new(Some(dir.path().to_owned())).adopt(&limits(100), Granter::Itself, 1_000).unwrap_err().to_string();
    assert!(error.contains("can't be opened") && file.is_symlink(), "{error}");
    // Removing the link is the explicit decision to start over.
    std::fs::remove_file(&file).unwrap();
    let (accounts, number) = kept(dir.path(), 100);
    assert_eq!(accounts.state(number, 1_000).spent, 0);
}

#[test]
fn writes_that_a_full_disk_refused_are_made_in_order_later() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("accounts");
    let both = ["Budget a/b", "Budget a/c"].map(|name| LimitSpec { name: name.to_owned(), ..limits(100)[0].clone() });
    let accounts = Arc::new(Accounts::new(Some(dir.path().to_owned())));
    let numbers = accounts.adopt(&both, Granter::Itself, 1_000).unwrap();
    accounts.hold(1_000, &[(numbers[0], 1)]).unwrap().settle(&[(numbers[0], 1)]);
    let before = std::fs::read(&file).unwrap();
    let read_only = std::fs::File::open(&file).unwrap();
    let writable = accounts.lock().pages.as_mut().map(|pages| pages.swap(read_only)).unwrap();
    // A second account would make the file longer.
    assert!(accounts.hold(1_000, &[(numbers[1], 2)]).is_err());
    assert_eq!(std::fs::read(&file).unwrap(), before);
    accounts.lock().pages.as_mut().map(|pages| pages.swap(writable)).unwrap();
    accounts.hold(1_000, &[(numbers[0], 1), (numbers[1], 2)]).unwrap().settle(&[(numbers[0], 1), (numbers[1], 2)]);
    assert_eq!(std::fs::read(&file).unwrap().len(), before.len() + 512);
    drop(accounts);
    let accounts = Accounts::new(Some(dir.path().to_owned()));
    let numbers = accounts.adopt(&both, Granter::Itself, 1_000).unwrap();
    assert_eq!([0, 1].map(|at| accounts.state(numbers[at], 1_000).spent), [2, 2]);
}

#[test]
fn nothing_is_spent_that_cannot_be_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (accounts, number) = kept(dir.path(), 100);
    // A file that can't be written, as on a full disk.
    let read_only = std::fs::File::open(dir.path().join("accounts")).unwrap();
    let writable = accounts.lock().pages.as_mut().map(|pages| pages.swap(read_only)).unwrap();
    assert!(matches!(accounts.hold(1_000, &[(number, 10)]), Err(NotHeld::Journal(JournalError::Write { .. }))));
    assert_eq!((accounts.state(number, 1_000).spent, accounts.state(number, 1_000).reserved), (0, 0));
    accounts.lock().pages.as_mut().map(|pages| pages.swap(writable)).unwrap();
    accounts.hold(1_000, &[(number, 10)]).unwrap().settle(&[(number, 10)]);
    drop(accounts);
    let (accounts, number) = kept(dir.path(), 100);
    assert_eq!(accounts.state(number, 1_000).spent, 10);
}

#[tokio::test(start_paused = true)]
async fn the_final_report_is_awaited_until_confirmed_or_timed_out() {
    const SILENCE: Duration = Duration::from_secs(7);
    let accounts = Arc::new(Accounts::new(None));
    let number = accounts.adopt(&limits(100), Granter::Ledger, 1_000).unwrap()[0];
    let second = || Instant::now() + Duration::from_secs(20);
    let begun = Instant::now();
    accounts.close(second(), SILENCE).await;
    assert_eq!(begun.elapsed().as_secs(), 0, "nothing was held");
    let accounts = Arc::new(Accounts::new(None));
    assert_eq!(accounts.adopt(&limits(100), Granter::Ledger, 1_000).unwrap(), [number]);
    let exchange = |term, durable, accounts: &Accounts| {
        let report = accounts.report().unwrap().unwrap();
        let account = AccountGrant {
            account: AccountKey { limit: LimitKey::new("Budget a/b", "usd"), start: 0 },
            end: None,
            valid_for_ms: None,
            begins_in_ms: 0,
            granted: 50,
            durable,
            over: false,
            recall: false,
            short: None,
            fleet: FleetAccount::default(),
        };
        let (epoch, answers) = (report.epoch, report.number);
        let grants = Grants { epoch, term: Term(term), answers, accounts: vec![account], ..Grants::default() };
        (accounts.take(&grants, 1_000).0, report)
    };
    assert_eq!(exchange(1, DurableUsage::default(), &accounts).0, MessageOutcome::Followed);
    assert_eq!(exchange(1, DurableUsage::default(), &accounts).0, MessageOutcome::Yes);
    accounts.hold(1_000, &[(number, 30)]).unwrap().settle(&[(number, 20)]);
    // No ledger answers.
    let begun = Instant::now();
    accounts.close(second(), SILENCE).await;
    assert_eq!(begun.elapsed().as_secs(), 7);
    let closing = tokio::spawn({
        let accounts = Arc::clone(&accounts);
        async move { accounts.close(second(), SILENCE).await }
    });
    tokio::task::yield_now().await;
    assert!(exchange(1, DurableUsage { spent: 20, returned: 0 }, &accounts).1.last);
    // A ledger answers, and needs longer.
    tokio::time::sleep(SILENCE + Duration::from_secs(5)).await;
    assert!(!closing.is_finished());
    let (_, last) = exchange(1, DurableUsage { spent: 20, returned: 30 }, &accounts);
    assert_eq!((last.last, last.accounts[0].spent, last.accounts[0].returned), (true, 20, 30));
    closing.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 7 + 12, "without a further wait");
}
