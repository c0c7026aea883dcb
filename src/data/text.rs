//! Text as tokens: bytes, or what a tokenizer of Hugging Face's format makes of it.

use super::dataset::Dataset;
use super::host::HostBuffer;
use crate::arguments::options;
use crate::error::{Result, bail, caller, err};

/// The bytes of a text as tokens, `0..256`: a vocabulary that every text has.
///
/// ```
/// use raxla::data;
/// assert_eq!(data::byte_tokens("né"), [110, 195, 169]);
/// assert_eq!(data::byte_text(&[110, 195, 169])?, "né");
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn byte_tokens(text: &str) -> Vec<i32> {
    text.bytes().map(i32::from).collect()
}

/// The text of [`byte_tokens`]. What is no UTF-8, as a model may write it, becomes `�`.
///
/// # Errors
/// A token that is no byte.
#[track_caller]
pub fn byte_text(tokens: impl AsRef<[i32]>) -> Result<String> {
    let here = caller();
    let byte = |token: &i32| u8::try_from(*token).map_err(|_| *token);
    let bytes: Vec<u8> = tokens
        .as_ref()
        .iter()
        .map(byte)
        .collect::<Result<_, i32>>()
        .map_err(|token| err!(InvalidArgument, "byte_text: token {token} is no byte").at(here))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

options! {
    /// Options of [`TokenWindows::new_with`].
    pub struct TokenWindowsOptions {
        /// From where one begins to where the next does; by default they follow each other.
        stride: optional usize,
    }
}

/// Parts of a long text to learn the next token from: rows are `(tokens, the same one later)`, each `i32[length]`.
///
/// ```
/// use raxla::data::{self, Dataset, TokenWindows};
///
/// let windows = TokenWindows::new(&data::byte_tokens("to be, or not"), 4)?;
/// let (inputs, targets) = windows.get(0)?;
/// assert_eq!(data::byte_text(inputs.to_vec::<i32>()?)?, "to b");
/// assert_eq!(data::byte_text(targets.to_vec::<i32>()?)?, "o be");
/// assert_eq!(windows.len(), 3);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenWindows {
    tokens: HostBuffer,
    length: usize,
    stride: usize,
}

impl TokenWindows {
    /// Parts that follow each other; of what is left at the end there is none.
    ///
    /// # Errors
    /// A text that is too short for one; a length of zero.
    #[track_caller]
    pub fn new(tokens: impl AsRef<[i32]>, length: usize) -> Result<Self> {
        Self::new_with(tokens, length, TokenWindowsOptions::new())
    }

    /// [`new`](Self::new), with options.
    ///
    /// # Errors
    /// As [`new`](Self::new); a stride of zero.
    #[track_caller]
    pub fn new_with(tokens: impl AsRef<[i32]>, length: usize, options: TokenWindowsOptions) -> Result<Self> {
        let (here, tokens) = (caller(), tokens.as_ref());
        Self::checked(tokens, length, options.stride.unwrap_or(length)).map_err(|e| e.at(here))
    }

    fn checked(tokens: &[i32], length: usize, stride: usize) -> Result<Self> {
        if length == 0 || stride == 0 {
            bail!(
                InvalidArgument,
                "token windows: length = {length}, stride = {stride}, and neither is zero"
            );
        }
        if tokens.len() <= length {
            bail!(
                InvalidArgument,
                "token windows: {} tokens are too few for a window of {length} and the token after it",
                tokens.len()
            );
        }
        Ok(TokenWindows { tokens: HostBuffer::new(tokens, [tokens.len()])?, length, stride })
    }
}

impl Dataset for TokenWindows {
    type Row = (HostBuffer, HostBuffer);
    fn len(&self) -> usize {
        (self.tokens.len() - self.length - 1) / self.stride + 1
    }
    fn get(&self, index: usize) -> Result<Self::Row> {
        let start = index * self.stride;
        let inputs = self.tokens.rows(start..start + self.length)?;
        Ok((inputs, self.tokens.rows(start + 1..start + self.length + 1)?))
    }
}
