//! Compressed clusters: raw deflate streams, inflated one cluster at a time.

use super::map::Place;
use super::storage::Storage;
use crate::DiskError;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// The cluster that was inflated last: guests read neighbouring sectors one after the other.
#[derive(Default)]
pub(super) struct Inflater {
    state: Option<Box<DecompressorOxide>>,
    place: Option<Place>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Inflater {
    /// The contents of the cluster at `place`.
    pub(super) fn cluster(
        &mut self,
        file: &impl Storage,
        file_length: u64,
        place: Place,
        cluster_bits: u32,
    ) -> Result<&[u8], DiskError> {
        if self.place != Some(place) {
            self.place = None;
            // The last sector need not be whole at the end of the file.
            self.input.resize(place.length.min(file_length - place.offset) as usize, 0);
            self.output.resize(1 << cluster_bits, 0);
            file.read(&mut self.input, place.offset)?;
            self.inflate()?;
            self.place = Some(place);
        }
        Ok(&self.output)
    }

    fn inflate(&mut self) -> Result<(), DiskError> {
        let state = self.state.get_or_insert_default();
        state.init();
        let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, _, written) = decompress(state, &self.input, &mut self.output, 0, flags);
        let whole = written == self.output.len();
        // The stream may be followed by the neighbour's bytes, and ends with the cluster even if it could go on.
        if whole && matches!(status, TINFLStatus::Done | TINFLStatus::HasMoreOutput) {
            return Ok(());
        }
        Err(DiskError::Corrupt { what: "compressed cluster" })
    }
}
