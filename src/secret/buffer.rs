//! The buffer that is wiped.

use zeroize::Zeroize;

/// Bytes that are wiped when they are dropped. They never outgrow the capacity that they begin with, since that would
/// leave a copy behind.
pub(crate) struct ZeroizingBuffer(pub(crate) Vec<u8>);

impl AsRef<[u8]> for ZeroizingBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for ZeroizingBuffer {
    fn drop(&mut self) {
        // As two slices, which are wiped in bulk: `Vec::zeroize` goes byte by byte.
        self.0.as_mut_slice().zeroize();
        self.0.spare_capacity_mut().zeroize();
    }
}
