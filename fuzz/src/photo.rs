//! What programs wrote into a photo. The reader is a file of the management system that needs nothing of it, so it is built in
//! here by its path, without databases and everything else that the crate brings.

#[path = "../../systems/mgmt/src/photo_metadata.rs"]
#[allow(rustdoc::broken_intra_doc_links, reason = "its neighbours are not here")]
mod photo_metadata;

use photo_metadata::Metadata;

/// A few short names, whatever comes in, and the same ones again.
pub(crate) fn metadata(data: &[u8]) {
    let found = Metadata::read(data);
    assert!(found.software.len() <= 8 && found.software.iter().all(|name| name.chars().count() <= 80));
    assert!(found.software.iter().all(|name| !name.is_empty() && !name.chars().any(char::is_control)));
    assert_eq!(Metadata::read(data), found);
}
