//! Tokens, as the Python package tokenizers makes them.

use raxla::ErrorKind;
use raxla::data::{TokenWindows, Tokenizer};

use super::{Directory, expected, fixture, message};

#[test]
fn tokens_are_those_of_the_python_package() {
    let expected = &expected()["tokens"];
    let whole = Tokenizer::from_file(fixture("tokenizer.json")).unwrap();
    let pair = Tokenizer::from_bpe_files(fixture("vocab.json"), fixture("merges.txt")).unwrap();
    for tokenizer in [&whole, &pair] {
        assert_eq!(tokenizer.vocab_size() as u64, expected["size"].as_u64().unwrap());
        assert_eq!(tokenizer.token("<|endoftext|>"), Some(0));
        for case in expected["texts"].as_array().unwrap() {
            let (text, tokens): (String, Vec<i32>) = serde_json::from_value(case.clone()).unwrap();
            assert_eq!(tokenizer.encode(&text).unwrap(), tokens, "{text:?}");
            assert_eq!(tokenizer.decode(&tokens).unwrap(), text);
        }
    }
    let tokens = whole.encode("To be, or not to be, that is the question").unwrap();
    assert!(TokenWindows::new(tokens, 4).is_ok());
}

#[test]
fn a_tokenizer_file_that_is_none_is_named() {
    let directory = Directory::new("tokenizer");
    for contents in ["", "no JSON", "{}", r#"{"version": "1.0", "model": {"type": "BPE"}}"#] {
        let path = directory.write("tokenizer.json", contents);
        let e = Tokenizer::from_file(&path).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Io);
        let start = format!("{} is no tokenizer of Hugging Face's format: ", path.display());
        assert!(e.message().starts_with(&start), "{}", e.message());
        assert!(e.location().unwrap().file().ends_with("tokenizers.rs"));
    }
    assert!(message(Tokenizer::from_file(directory.file("none"))).starts_with("could not read "));
    let e = message(Tokenizer::from_bpe_files(fixture("merges.txt"), fixture("vocab.json")));
    assert!(e.contains("are no vocabulary and merges: "), "{e}");
    let tokenizer = Tokenizer::from_file(fixture("tokenizer.json")).unwrap();
    let size = tokenizer.vocab_size();
    for token in [-1, size as i32] {
        let e = message(tokenizer.decode([0, token]));
        assert_eq!(e, format!("decode: token {token} is not in the vocabulary of {size}"));
    }
}
