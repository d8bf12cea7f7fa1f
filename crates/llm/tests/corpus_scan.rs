//! No recorded client sends what a scan refuses.

mod recorded;

use outrigger_llm::passthrough::scan::scan;

#[test]
fn every_recorded_request_is_read() {
    let Some(exchanges) = recorded::exchanges() else { return };
    let mut read = 0;
    for exchange in &exchanges {
        let Some(request) = exchange.req.as_ref().filter(|request| request.is_object()) else { continue };
        read += 1;
        if let Err(problem) = scan(request.to_string().as_bytes()) {
            panic!("{} {}: {problem}", exchange.file, exchange.i);
        }
    }
    assert!(read > 500, "only {read} requests");
}
