//! The file: a preamble, then blocks, each compressed and with a checksum.
//!
//! Preamble: 16 bytes that name the format, its version (4 bytes, little endian, as all numbers), 16 random bytes as the file's id, and a
//! checksum. Block: the length of its contents (4 bytes), their compressed length (4 bytes), the contents as JSON in a zlib stream, and a
//! checksum. A checksum is the first 16 bytes of the SHA-256 of the file's id, the block's position (8 bytes), and the block's bytes before
//! the checksum; so a block at another place or of another file is damage, too.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write as _};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use sha2::{Digest, Sha256};

use super::{BackupError, form::Block, out::Out};

/// The version of the format.
pub const FORMAT: u32 = 1;

const NAME: [u8; 16] = *b"chatcore backup\n";
const SUM: usize = 16;
const PREAMBLE: u64 = 36;
/// The longest block, in bytes of its contents. A longer one is damage. A block ends after about 1 MiB, and its last part is one message or one
/// record; a message of a million characters has at most 7 MB here.
pub const MAX_BLOCK_BYTES: u32 = 16 << 20;

type Id = [u8; 16];

fn sum(id: &Id, at: u64, parts: [&[u8]; 2]) -> [u8; SUM] {
    let mut hash = Sha256::new().chain_update(id).chain_update(at.to_le_bytes());
    parts.iter().for_each(|part| hash.update(part));
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

fn preamble(format: u32, id: &Id) -> [u8; PREAMBLE as usize] {
    let mut bytes = [0; PREAMBLE as usize];
    let parts = NAME.iter().chain(&format.to_le_bytes()).chain(id).copied().collect::<Vec<_>>();
    bytes.copy_from_slice(&parts);
    bytes
}

/// Writes blocks.
pub(super) struct Blocks<W> {
    file: W,
    id: Id,
    at: u64,
}

impl<W: Out> Blocks<W> {
    pub(super) async fn create(mut file: W) -> Result<Self, BackupError> {
        let id = uuid::Uuid::now_v7().into_bytes();
        let bytes = preamble(FORMAT, &id);
        file.write([bytes.as_slice(), &sum(&id, 0, [&bytes, &[]])].concat()).await?;
        Ok(Self { file, id, at: PREAMBLE + SUM as u64 })
    }

    pub(super) async fn put(&mut self, block: &Block) -> Result<u64, BackupError> {
        let contents = serde_json::to_vec(block).map_err(std::io::Error::other)?;
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&contents)?;
        let packed = encoder.finish()?;
        let length = |bytes: &[u8]| {
            let fits = u32::try_from(bytes.len()).ok().filter(|length| *length <= MAX_BLOCK_BYTES);
            fits.ok_or_else(|| BackupError::TooLarge { what: block.shown(), bytes: bytes.len() as u64 })
        };
        let mut head = [0; 8];
        let lengths = u64::from(length(&contents)?) | (u64::from(length(&packed)?) << 32);
        head.copy_from_slice(&lengths.to_le_bytes());
        let sum = sum(&self.id, self.at, [&head, &packed]);
        let bytes = [head.as_slice(), &packed, &sum].concat();
        self.at += bytes.len() as u64;
        self.file.write(bytes).await?;
        Ok(self.at)
    }

    pub(super) fn finish(mut self) -> Result<(), BackupError> {
        Ok(self.file.finish()?)
    }
}

/// Reads blocks, from any position at which one begins.
pub(super) struct BlockReader<R> {
    file: R,
    id: Id,
    at: u64,
}

impl<R: Read + Seek> BlockReader<R> {
    pub(super) fn open(mut file: R) -> Result<Self, BackupError> {
        file.seek(SeekFrom::Start(0))?;
        let mut reader = Self { file, id: Id::default(), at: 0 };
        let bytes = reader.exactly(PREAMBLE, 0)?;
        let found = reader.exactly(SUM as u64, PREAMBLE)?;
        let (name, rest) = bytes.split_at_checked(NAME.len()).unwrap_or_default();
        if name != NAME {
            return Err(BackupError::NoBackup);
        }
        let (format, id) = rest.split_at_checked(4).unwrap_or_default();
        let format = u32::from_le_bytes(format.try_into().unwrap_or_default());
        reader.id = id.try_into().unwrap_or_default();
        if sum(&reader.id, 0, [&bytes, &[]]).as_slice() != found {
            return Err(damaged(0, "the preamble's checksum is wrong"));
        }
        if format != FORMAT {
            return Err(BackupError::Format { found: format });
        }
        reader.at = PREAMBLE + SUM as u64;
        Ok(reader)
    }

    /// The position of the next block.
    pub(super) const fn position(&self) -> u64 {
        self.at
    }

    pub(super) fn go_to(&mut self, at: u64) -> Result<(), BackupError> {
        if self.at != at {
            self.file.seek(SeekFrom::Start(at))?;
            self.at = at;
        }
        Ok(())
    }

    pub(super) fn next(&mut self) -> Result<Block, BackupError> {
        let start = self.at;
        let head = self.exactly(8, start)?;
        let lengths = u64::from_le_bytes(head.as_slice().try_into().unwrap_or_default());
        let (length, packed) = (lengths & u64::from(u32::MAX), lengths >> 32);
        if length.max(packed) > u64::from(MAX_BLOCK_BYTES) {
            return Err(damaged(start, "a block is too long"));
        }
        let packed = self.exactly(packed, start + 8)?;
        let after = start + 8 + packed.len() as u64;
        let found = self.exactly(SUM as u64, after)?;
        if sum(&self.id, start, [&head, &packed]).as_slice() != found {
            return Err(damaged(start, "a checksum is wrong"));
        }
        let mut contents = Vec::new();
        // No more than the length that was checked above.
        ZlibDecoder::new(packed.as_slice())
            .take(length + 1)
            .read_to_end(&mut contents)
            .map_err(|error| damaged(start, &error.to_string()))?;
        if contents.len() as u64 != length {
            return Err(damaged(start, "a block has another length than it states"));
        }
        self.at = after + SUM as u64;
        serde_json::from_slice(&contents).map_err(|error| damaged(start, &error.to_string()))
    }

    /// Refuses bytes after the last block.
    pub(super) fn at_end(&mut self) -> Result<(), BackupError> {
        let at = self.at;
        let mut one = [0];
        match self.file.read_exact(&mut one) {
            Ok(()) => Err(damaged(at, "there is something after the end")),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn exactly(&mut self, length: u64, at: u64) -> Result<Vec<u8>, BackupError> {
        let mut bytes = Vec::new();
        // Grows with what there is, since a damaged length must not decide how much memory is taken.
        self.file.by_ref().take(length).read_to_end(&mut bytes)?;
        let end = at + bytes.len() as u64;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(damaged(end, "the file ends here")) }
    }
}

pub(super) fn damaged(at: u64, fault: &str) -> BackupError {
    BackupError::Damaged { at, fault: fault.to_owned() }
}
