//! Where a conversion stands, so that another process can go on with it.

/// The most bytes of a checkpoint.
pub const CHECKPOINT_BYTES: usize = 4096;

/// Where a stream stands at the boundary of a frame: all that is needed to go on with it in another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    samples: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// Why bytes are no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// They are no checkpoint at all, or a damaged one.
    #[error("this is no state of a conversion")]
    Malformed,
    /// Another version of this program wrote them.
    #[error("the state of the conversion was written by another version of the converter (form {found})")]
    Version {
        /// The version of the form.
        found: u8,
    },
}

impl Checkpoint {
    /// Samples per channel in the frames so far.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Bytes of input before the first sample that is in no frame yet: from there on it has to be sent again.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in
    }

    /// Bytes handed to the output, head and frames.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    /// The checkpoint as bytes: at most [`CHECKPOINT_BYTES`], some hundred mostly.
    pub fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Anything else is refused, or is a checkpoint that can be gone on
    /// with without harm.
    pub fn from_bytes(_bytes: &[u8]) -> Result<Self, CheckpointError> {
        Err(CheckpointError::Malformed)
    }
}
