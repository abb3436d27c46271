//! Checking a chain from its first entry to its head.

use store::Db;

use crate::{AuditError, Head, Result};

/// Reads the whole chain and checks every link. Returns its head.
///
/// With `kept`, a head noted down earlier, the chain must also contain that very entry: a chain cut off before it, or
/// written anew from some point before it, is found.
pub async fn verify(db: &Db, kept: Option<&Head>) -> Result<Head> {
    // Read first: entries appended while the chain is being read come after it and are left for the next time.
    let head = crate::head(db).await?;
    let mut last = Head::EMPTY;
    while last.seq < head.seq {
        let entries = crate::events(db, None, last.seq, PAGE).await?;
        if entries.is_empty() {
            return Err(AuditError::Broken { seq: last.seq + 1, problem: "missing" });
        }
        for entry in entries {
            if entry.seq > head.seq {
                break;
            }
            if entry.seq != last.seq + 1 {
                return Err(AuditError::Broken { seq: last.seq + 1, problem: "missing" });
            }
            if entry.chained(&last.hash) != entry.hash {
                return Err(AuditError::Broken { seq: entry.seq, problem: "altered" });
            }
            last = Head { seq: entry.seq, hash: entry.hash };
            if kept.is_some_and(|kept| kept.seq == last.seq && kept.hash != last.hash) {
                return Err(AuditError::Broken {
                    seq: last.seq,
                    problem: "not the entry that was noted down",
                });
            }
        }
    }
    if last != head {
        return Err(AuditError::Broken { seq: head.seq, problem: "not the entry the head names" });
    }
    // Entries beyond the head exist if the head was set back, or if they were appended a moment ago.
    if crate::head(db).await? == head
        && !crate::events(db, None, head.seq, 1).await?.is_empty()
        && crate::head(db).await? == head
    {
        return Err(AuditError::Broken { seq: head.seq + 1, problem: "beyond the head" });
    }
    if kept.is_some_and(|kept| kept.seq > last.seq) {
        return Err(AuditError::Broken { seq: last.seq + 1, problem: "cut off" });
    }
    Ok(last)
}

const PAGE: u32 = 1_000;
