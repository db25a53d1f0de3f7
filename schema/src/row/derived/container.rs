//! Of a container.

use crate::record::Container;

/// The digest (`sha256:…`) at the end of a resolved image, if it has one.
pub(in crate::row) fn image_digest(container: &Container) -> Option<&str> {
    let (_, digest) = container.image_id.as_deref()?.rsplit_once('@')?;
    digest.contains(':').then_some(digest)
}
