//! What the leader wants of the store.

use outrigger_ledger::shared::leader::Input;
use outrigger_ledger::shared::record::{StoreObject, StoreRecord, StoreVersion};

use super::LedgerDriver;
use super::attempts::{self, Attempts};
use super::records;
use crate::ledger::store::{ShardName, ShardVersion, WriteOutcome};
use crate::metrics::LedgerWrite;

/// Writes a record. What the leader hears of it.
pub(super) async fn write(
    driver: &LedgerDriver,
    object: StoreObject,
    expected: Option<StoreVersion>,
    record: StoreRecord,
) -> Option<Input> {
    let name = ShardName(object.to_string());
    let expected = expected.map(|version| ShardVersion(version.0));
    driver.acknowledged.sent(object, &record);
    let (result, input) = match driver.store.write(&name, expected.as_ref(), &record.encode()).await {
        WriteOutcome::Written(version) => {
            let version = StoreVersion(version.0);
            driver.acknowledged.written(object, version.clone(), record);
            driver.metrics.ledger_fault(None);
            (LedgerWrite::Ok, Input::Written { object, version })
        }
        WriteOutcome::Conflict => {
            driver.acknowledged.not_written(object, &record);
            (LedgerWrite::Conflict, Input::Conflict { object })
        }
        WriteOutcome::Unknown(error) => {
            driver.acknowledged.unknown(object);
            let advice = driver.failed(error.fault());
            tracing::warn!(%name, %error, advice, "it is not known whether a record of the ledger was written: it is read again");
            (LedgerWrite::Unknown, Input::WriteUnknown { object })
        }
        WriteOutcome::Failed(error) => {
            driver.acknowledged.not_written(object, &record);
            let advice = driver.failed(error.fault());
            tracing::warn!(%name, %error, advice, "a record of the ledger can't be written: grants wait for it");
            // It is written again at once when it has failed.
            attempts::pause().await;
            (LedgerWrite::Failed, Input::WriteFailed { object })
        }
    };
    driver.metrics.ledger_wrote(result);
    Some(input)
}

/// Reads a record, until it can be read.
pub(super) async fn reload(driver: &LedgerDriver, object: StoreObject) -> Option<Input> {
    let name = ShardName(object.to_string());
    let mut attempts = Attempts::default();
    loop {
        let read = match driver.store.read(&name).await {
            Ok(None) => return Some(Input::Reloaded { object, stored: None }),
            Ok(Some(shard)) => records::record(shard),
            Err(error) => Err(error.into()),
        };
        match read {
            Ok(stored) => return Some(Input::Reloaded { object, stored: Some(stored) }),
            Err(error) => {
                let advice = driver.failed(error.fault());
                tracing::warn!(%name, %error, advice, "a record of the ledger can't be read: grants wait for it");
            }
        }
        attempts.pause().await;
    }
}
