//! Tokenizers of Hugging Face's format: byte-pair encoding and its like.

use std::path::Path;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use crate::error::{Result, caller, err};

/// A tokenizer that was trained elsewhere.
///
/// ```no_run
/// use raxla::data::{Tokenizer, TokenWindows};
///
/// let tokenizer = Tokenizer::from_file("gpt2/tokenizer.json")?;
/// let tokens = tokenizer.encode("To be, or not to be")?;
/// assert_eq!(tokenizer.decode(&tokens)?, "To be, or not to be");
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone)]
pub struct Tokenizer(tokenizers::Tokenizer);

impl Tokenizer {
    /// The tokenizer of a `tokenizer.json`.
    ///
    /// # Errors
    /// `Io` if the file can't be read or holds no tokenizer.
    #[track_caller]
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let (here, path) = (caller(), path.as_ref());
        let text =
            std::fs::read(path).map_err(|e| err!(Io, "could not read {}: {e}", path.display()).at(here))?;
        let tokenizer = tokenizers::Tokenizer::from_bytes(text);
        tokenizer.map(Tokenizer).map_err(|e| {
            err!(Io, "{} is no tokenizer of Hugging Face's format: {e}", path.display()).at(here)
        })
    }

    /// The tokenizer of GPT-2's pair of files, `vocab.json` and `merges.txt`: byte-pair encoding of bytes.
    ///
    /// # Errors
    /// `Io` if the files can't be read, or hold no vocabulary and merges.
    #[track_caller]
    pub fn from_bpe_files(vocab: impl AsRef<Path>, merges: impl AsRef<Path>) -> Result<Self> {
        let (here, vocab, merges) = (caller(), vocab.as_ref(), merges.as_ref());
        let files = BPE::from_file(&vocab.to_string_lossy(), &merges.to_string_lossy());
        let model = files.build().map_err(|e| {
            let (vocab, merges) = (vocab.display(), merges.display());
            err!(Io, "{vocab} and {merges} are no vocabulary and merges: {e}").at(here)
        })?;
        let mut tokenizer = tokenizers::Tokenizer::new(model);
        let bytes = ByteLevel::default().add_prefix_space(false);
        tokenizer.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
        Ok(Tokenizer(tokenizer))
    }

    /// The tokens of a text, and none besides.
    ///
    /// # Errors
    /// What the tokenizer fails with: a text that its vocabulary has no token for.
    #[track_caller]
    pub fn encode(&self, text: &str) -> Result<Vec<i32>> {
        let here = caller();
        let encoding =
            self.0.encode_fast(text, false).map_err(|e| err!(InvalidArgument, "encode: {e}").at(here))?;
        Ok(encoding.get_ids().iter().map(|id| *id as i32).collect())
    }

    /// The text of tokens, special ones included.
    ///
    /// # Errors
    /// A token that the vocabulary lacks.
    #[track_caller]
    pub fn decode(&self, tokens: impl AsRef<[i32]>) -> Result<String> {
        let here = caller();
        let known = |token: &i32| u32::try_from(*token).ok().filter(|id| self.0.id_to_token(*id).is_some());
        let mut ids = Vec::with_capacity(tokens.as_ref().len());
        for token in tokens.as_ref() {
            ids.push(known(token).ok_or_else(|| {
                let size = self.vocab_size();
                err!(InvalidArgument, "decode: token {token} is not in the vocabulary of {size}").at(here)
            })?);
        }
        self.0.decode(&ids, false).map_err(|e| err!(InvalidArgument, "decode: {e}").at(here))
    }

    /// How many tokens there are, special ones included: the size of an embedding.
    pub fn vocab_size(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    /// The token that is spelt so: `<|endoftext|>`.
    pub fn token(&self, spelling: &str) -> Option<i32> {
        self.0.token_to_id(spelling).map(|id| id as i32)
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.vocab_size())
    }
}
