use super::*;

const KIB: usize = 1 << 10;

#[test]
fn memory_is_released_and_counted_once() {
    let memory = Memory::new(64 * KIB);
    let mut all: Vec<MemoryLease> = (0..64).map(|_| memory.hold(KIB).unwrap()).collect();
    assert_eq!(memory.hold(1).unwrap_err(), NoRoom::Now);
    all.truncate(32);
    let mut lease = MemoryLease::default();
    for length in (10..=20 * KIB).step_by(10) {
        lease.grow_to(length, &memory).unwrap();
    }
    assert_eq!(lease.bytes(), 20 * KIB);
    assert!(lease.grow_to(60 * KIB, &memory).is_err());
    lease.shrink_to(KIB);
    assert_eq!(memory.account.used.load(Ordering::Relaxed), 33 * KIB);
    drop((lease, all));
    assert_eq!(memory.account.used.load(Ordering::Relaxed), 0);
}

#[test]
fn a_long_head_takes_more_than_the_base_of_a_request() {
    let head = |fields: usize, bytes: usize| {
        let field = |at: usize| (format!("x-{at}").parse().unwrap(), "v".repeat(bytes).parse().unwrap());
        request_size(&(0..fields).map(field).collect::<HeaderMap>(), false)
    };
    assert_eq!(head(15, 100), REQUEST);
    assert!(head(1, 31 << 10) > REQUEST + 50 * KIB);
    assert!(head(95, 300) > REQUEST + 70 * KIB);
}

#[test]
fn large_reservations_leave_memory_for_small_ones() {
    let memory = Memory::new(64 * KIB);
    assert_eq!(memory.hold(61 * KIB).unwrap_err(), NoRoom::TooLarge { wanted: 61 * KIB, total: 60 * KIB });
    let large = memory.hold(60 * KIB).unwrap();
    assert_eq!(memory.hold(3 * KIB).unwrap_err(), NoRoom::Now);
    assert!(memory.hold(KIB).is_ok());
    drop(large);
}

#[test]
fn the_longest_body_depends_on_the_memory() {
    assert_eq!(Memory::new(32 << 20).longest_body(), 16 << 20);
    assert_eq!(Memory::new(1 << 30).longest_body(), LONGEST_BODY);
    assert_eq!(Memory::new(1 << 30).longest_answer(), LONGEST_ANSWER);
}

/// The table of `docs/semantics.md`.
#[test]
fn sizes_match_the_documented_table() {
    use outrigger_llm::Dialect;
    use outrigger_llm::json::weight::Weight;
    const MIB: usize = 1 << 20;
    let table = include_str!("../../../docs/semantics.md");
    let agent = shapes::agent(Dialect::OpenAi, MIB);
    let picture = format!("{{\"a\":\"{}\"}}", "A".repeat(MIB));
    // The memory that a body takes, itself included, as a multiple of its length.
    let times = |body: &str| 1.0 + Weight::of(body.as_bytes()).translated() as f64 / body.len() as f64;
    for limit in [64, 128, 256, 1024] {
        let memory = Memory::new(limit * MIB / 2);
        let available = (memory.account.limit(usize::MAX) - REQUEST) as f64 / MIB as f64;
        let longest = memory.longest_body() / MIB;
        let translated = |body: &str| ((available / times(body)) as usize).min(longest);
        let row = format!(
            "| {limit} MiB | {} MiB | {longest} MiB, {} MiB | {} MiB | {} MiB |",
            limit / 2,
            memory.longest_answer() / MIB,
            translated(&picture),
            translated(&agent),
        );
        assert!(table.contains(&row), "{row}");
    }
}

#[tokio::test(start_paused = true)]
async fn waits_for_memory_up_to_a_limit() {
    let memory = Memory::new(64 * KIB);
    let lease = memory.hold(50 * KIB).unwrap();
    let wanting = memory.clone();
    let waiting = tokio::spawn(async move { wanting.wait(40 * KIB, 0).await.map(|lease| lease.bytes()) });
    tokio::task::yield_now().await;
    drop(lease);
    assert_eq!(waiting.await.unwrap(), Ok(40 * KIB));
    let _held = memory.hold(50 * KIB).unwrap();
    assert_eq!(memory.wait(40 * KIB, KIB).await.unwrap_err(), NoRoom::Now);
    assert!(matches!(memory.wait(40 * KIB, 24 * KIB).await.unwrap_err(), NoRoom::TooLarge { .. }));
}

#[test]
fn the_limit_is_the_lowest_of_the_group_and_its_ancestors() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    assert_eq!(cgroup::of("0::/\n", dir.path()), None);
    at("pod/app/memory.max", "max\n");
    at("pod/memory.max", "67108864\n");
    assert_eq!(cgroup::of("0::/pod/app\n", dir.path()), Some(64 << 20));
    at("memory/kubepods/x/memory.limit_in_bytes", "33554432\n");
    at("memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_eq!(cgroup::of("4:memory:/kubepods/x\n0::/pod/app\n", dir.path()), Some(32 << 20));
    assert_eq!(cgroup::of("4:memory:/\n", dir.path()), None);
    // As inside a container.
    at("memory.max", "1048576\n");
    assert_eq!(cgroup::of("", dir.path()), Some(1 << 20));
}
