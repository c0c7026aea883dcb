//! GPT-2 writes: parameters and tokens from Hugging Face's files, and a jitted step with a key-value cache.
//!
//! `hf download openai-community/gpt2 config.json model.safetensors tokenizer.json --local-dir gpt2` fetches the smallest of them (0.5 GB),
//! `cargo run --release -p raxla-examples --example gpt2 --features data-text -- gpt2 --prompt "To be, or not" --tokens 40` has it go on. Temperature 0 takes
//! the likeliest token each time, as `model.generate(do_sample=False)` of Python's `transformers` does. `tests/oracle/pretrained.py` has the
//! same in Flax.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use raxla::data::Tokenizer;
use raxla::models::{Gpt2, Pretrained, SamplingOptions, sample_with};
use raxla::nn::{self, Mode, Params, State};
use raxla::prelude::*;
use raxla::random::{self, Key};

const USAGE: &str = "\
gpt2 <directory> [--prompt <text>] [--tokens <number>] [--temperature <number>] [--top-k <number>] [--seed <number>]

The directory has config.json, model.safetensors and tokenizer.json of a GPT-2 in Hugging Face's layout, as this fetches them:
  hf download openai-community/gpt2 config.json model.safetensors tokenizer.json --local-dir gpt2";

struct Arguments {
    directory: PathBuf,
    prompt: String,
    tokens: usize,
    temperature: f64,
    top_k: usize,
    seed: u32,
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| Error::other(format!("{name}: {value:?} is no number that it takes")))
}

fn arguments() -> Result<Arguments> {
    let mut given = std::env::args().skip(1);
    let directory = PathBuf::from(given.next().ok_or_else(|| Error::other(USAGE))?);
    let prompt = "The meaning of life is".to_owned();
    let mut all = Arguments { directory, prompt, tokens: 40, temperature: 0.8, top_k: 40, seed: 0 };
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| Error::other(USAGE))?;
        match name.as_str() {
            "--prompt" => all.prompt = value,
            "--tokens" => all.tokens = number(&name, &value)?,
            "--temperature" => all.temperature = number(&name, &value)?,
            "--top-k" => all.top_k = number(&name, &value)?,
            "--seed" => all.seed = number(&name, &value)?,
            _ => return Err(Error::other(USAGE)),
        }
    }
    Ok(all)
}

/// The tokens that follow those of `prompt`, each handed to `seen` as it is there, until there are `tokens` or the text ends.
fn write(
    model: Gpt2,
    params: &Params,
    prompt: &[i32],
    end: Option<i32>,
    arguments: &Arguments,
    mut seen: impl FnMut(i32) -> Result<()>,
) -> Result<()> {
    // As many as there are positions for; the last token is not read again.
    let length = (prompt.len() + arguments.tokens).min(model.n_positions + 1) - 1;
    let prompt_tokens = Array::from(prompt).reshape([1, -1]);
    let mut cache = nn::init_state(&random::key(0), |cx| model.next_logits(cx, &prompt_tokens, length))?;
    let top_k = arguments.top_k.min(model.vocab_size);
    let sampling = SamplingOptions::new().temperature(arguments.temperature).top_k(top_k);
    let next =
        jit(move |params: &Params, cache: State, tokens: &Array, key: &Key| -> Result<(Array, State)> {
            let (logits, cache) =
                nn::apply((params, &cache), Mode::eval(), |cx| model.next_logits(cx, tokens, length))?;
            let token = sample_with(key, logits.index((0, -1)), sampling.clone());
            Ok((token.reshape([1, 1]), cache))
        });
    let key = random::key(arguments.seed);
    let mut tokens = prompt_tokens;
    for n in prompt.len()..=length {
        // The prompt at once, and then one token after the other.
        (tokens, cache) = next(params, cache, &tokens, &random::fold_in(&key, n as u32))?;
        let token = tokens.item::<i32>()?;
        if Some(token) == end {
            break;
        }
        seen(token)?;
    }
    Ok(())
}

fn run(arguments: &Arguments) -> Result<()> {
    let directory: &Path = &arguments.directory;
    if !directory.join("config.json").exists() {
        return Err(Error::other(format!("{} has no config.json\n{USAGE}", directory.display())));
    }
    let started = Instant::now();
    let model = Gpt2::read(directory)?;
    let tokenizer = Tokenizer::from_file(directory.join("tokenizer.json"))?;
    let prompt = tokenizer.encode(&arguments.prompt)?;
    if prompt.is_empty() {
        return Err(Error::other("the prompt has no tokens: a model goes on from one at least"));
    }
    let params = model.load(directory)?;
    eprintln!("read {} parameters in {:.1} s", params.size(), started.elapsed().as_secs_f64());

    print!("{}", arguments.prompt);
    let (mut written, mut shown, mut first) = (prompt.clone(), arguments.prompt.len(), None);
    write(model, &params, &prompt, tokenizer.token("<|endoftext|>"), arguments, |token| {
        first.get_or_insert_with(Instant::now);
        written.push(token);
        // A token may end within a character.
        let text = tokenizer.decode(&written)?;
        if let Some(new) = text.get(shown..).filter(|new| !new.ends_with('\u{fffd}')) {
            print!("{new}");
            std::io::stdout().flush()?;
            shown = text.len();
        }
        Ok(())
    })?;
    println!();
    let count = written.len() - prompt.len();
    if let Some(first) = first.filter(|_| count > 1) {
        let ms = first.elapsed().as_secs_f64() * 1e3 / (count - 1) as f64;
        eprintln!("{ms:.1} ms a token");
    }
    Ok(())
}

fn main() {
    if let Err(e) = arguments().and_then(|arguments| run(&arguments)) {
        eprintln!("{}", e.message());
        std::process::exit(2);
    }
}
