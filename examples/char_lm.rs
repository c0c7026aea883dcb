//! A language model of characters: a decoder-only transformer that learns to write as Shakespeare does.
//!
//! `cargo run --release -p raxla-examples --example char_lm` trains it, writes its learning curve to `char_lm/losses.png`, and lets it write. Interrupted,
//! it goes on from its last checkpoint when it is run again, and ends with the same parameters to the bit; with `-- --until 100` it stops
//! after a hundred steps. The same program in JAX, Flax and Optax is `tests/oracle/examples/char_lm.py`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use raxla::io::{CheckpointManager, CheckpointManagerOptions};
use raxla::nn::{self, Mode, MultiHeadAttentionOptions, Params, RotaryOptions, Scope, State};
use raxla::optim::{self, AdamWOptions, GradientTransformation, OptState};
use raxla::prelude::*;
use raxla::random::{self, Key};
use raxla::train::{Figure, Progress};
use raxla::{lax, numpy as jnp};

const TEXT: &str = include_str!("data/shakespeare.txt");
const CONTEXT: usize = 64;
const FEATURES: usize = 96;
const HEADS: usize = 4;
const LAYERS: usize = 2;
const DROPOUT: f64 = 0.1;
const BATCH: usize = 32;
const STEPS: u64 = 300;
/// Of how many steps each is followed by an evaluation and a checkpoint.
const EVERY: u64 = 50;
const DIRECTORY: &str = "char_lm";

/// Tokens `i32[batch, t]` to the logits of those that follow, `f32[batch, t, vocabulary]`. When `decoding`, the tokens continue those
/// of earlier calls, whose keys and values are in the state.
fn model(cx: &Scope, tokens: &Array, vocabulary: usize, decoding: bool) -> Array {
    let table = cx.at("token");
    let mut x = nn::dropout(&cx.at("dropout"), nn::embed(&table, tokens, vocabulary, FEATURES), DROPOUT);
    for i in 0..LAYERS {
        let cx = cx.at(format!("block_{i}"));
        let mut options = MultiHeadAttentionOptions::new()
            .is_causal(true)
            .rotary(RotaryOptions::new())
            .dropout_rate(DROPOUT);
        if decoding {
            options = options.cache_length(CONTEXT);
        }
        let normed = nn::layer_norm(&cx.at("attention_norm"), &x);
        let seen = nn::multi_head_attention_with(&cx.at("attention"), normed, HEADS, options);
        x += nn::dropout(&cx.at("attention_dropout"), seen, DROPOUT);
        let normed = nn::layer_norm(&cx.at("mlp_norm"), &x);
        let hidden = nn::gelu(nn::linear(&cx.at("mlp_in"), normed, 4 * FEATURES));
        x += nn::dropout(&cx.at("mlp_dropout"), nn::linear(&cx.at("mlp_out"), hidden, FEATURES), DROPOUT);
    }
    nn::linear(&cx.at("head"), nn::layer_norm(&cx.at("norm"), x), vocabulary)
}

/// What the model is wrong by, in nats a character, of windows `i32[batch, CONTEXT + 1]`.
fn loss(cx: &Scope, windows: &Array, vocabulary: usize) -> Array {
    let logits = model(cx, &windows.index((.., ..-1)), vocabulary, false);
    optim::softmax_cross_entropy_with_integer_labels(logits, windows.index((.., 1..))).mean(..)
}

/// All that a run consists of, and so all that a checkpoint holds.
#[derive(Pytree, Clone)]
pub struct Training {
    params: Params,
    opt: OptState,
    /// How many were taken.
    steps: Array,
    /// Of each step, and of each evaluation.
    pub losses: Array,
    evaluations: Array,
}

/// The characters of the text, and the text as positions among them.
pub fn tokens() -> (Vec<u8>, Array) {
    let characters: Vec<u8> = BTreeSet::from_iter(TEXT.bytes()).into_iter().collect();
    let text: Vec<i32> = TEXT.bytes().map(|c| token(&characters, c)).collect();
    (characters, Array::from(text))
}

fn token(characters: &[u8], c: u8) -> i32 {
    characters.binary_search(&c).map_or(0, |i| i as i32)
}

/// The optimiser, and where a run begins.
pub fn begin(key: &Key, vocabulary: usize) -> Result<(GradientTransformation, Training)> {
    let windows = jnp::zeros(([BATCH, CONTEXT + 1], DType::I32));
    let params = nn::init(key, |cx| loss(cx, &windows, vocabulary))?;
    let rate = optim::warmup_cosine_decay_schedule(0.0, 1e-2, 30, STEPS as i64);
    let decay = AdamWOptions::new().weight_decay(0.1).mask(|_, param| param.ndim() > 1);
    let tx = optim::chain((optim::clip_by_global_norm(1.0), optim::adamw_with(rate, decay)));
    let training = Training {
        opt: tx.init(&params)?,
        params,
        steps: Array::from(0i32),
        losses: jnp::zeros([STEPS as usize]),
        evaluations: jnp::zeros([(STEPS / EVERY) as usize]),
    };
    Ok((tx, training))
}

/// What is random in a step comes from a key of the step's own, so that nothing else need be kept to go on after it.
pub fn step(
    tx: &GradientTransformation,
    was: Training,
    key: &Key,
    text: &Array,
    vocabulary: usize,
) -> Result<Training> {
    let [window_key, dropout_key] = random::split(&random::fold_in(key, &was.steps));
    let starts = random::randint(&window_key, [BATCH, 1], 0, (text.size() - CONTEXT) as i64);
    let windows = jnp::take(text, starts + jnp::arange(CONTEXT as i64 + 1), 0);
    let loss = |params: &Params| {
        nn::apply(params, Mode::train().key(&dropout_key), |cx| loss(cx, &windows, vocabulary))
    };
    let (loss, grads) = value_and_grad(loss)(&was.params)?;
    let (updates, opt) = tx.update(&grads, &was.opt, &was.params)?;
    Ok(Training {
        params: optim::apply_updates(&was.params, &updates),
        opt,
        losses: was.losses.at(&was.steps).set(loss),
        steps: was.steps + 1,
        ..was
    })
}

/// Continues `prompt` to `CONTEXT` tokens: each is drawn from the `k` likeliest.
fn write(params: &Params, prompt: &[i32], vocabulary: usize, temperature: f64, k: usize) -> Result<Vec<i32>> {
    let next =
        jit(move |params: &Params, state: State, tokens: &Array, key: &Key| -> Result<(Array, State)> {
            let (logits, state) =
                nn::apply((params, &state), Mode::eval(), |cx| model(cx, tokens, vocabulary, true))?;
            let (logits, likeliest) = lax::top_k(&(logits.index((0, -1)) / temperature), k, -1);
            Ok((jnp::take(likeliest, random::categorical(key, logits), 0).reshape([1, 1]), state))
        });
    let mut tokens = Array::from(prompt).reshape([1, -1]);
    // The cache, empty.
    let mut state = nn::init_state(&random::key(0), |cx| model(cx, &tokens, vocabulary, true))?;
    let mut written = prompt.to_vec();
    while written.len() < CONTEXT {
        let key = random::fold_in(&random::key(2), written.len() as i32);
        // The prompt at once, and then one token after the other.
        (tokens, state) = next(params, state, &tokens, &key)?;
        written.push(tokens.item::<i32>()?);
    }
    Ok(written)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let until = match (arguments.next().as_deref(), arguments.next().map(|n| n.parse::<u64>())) {
        (None, _) => STEPS,
        (Some("--until"), Some(Ok(n))) => n.min(STEPS),
        _ => {
            eprintln!("char_lm [--until <number of steps>]");
            std::process::exit(2);
        }
    };
    let (characters, text) = tokens();
    let vocabulary = characters.len();
    let train = text.index(..378_000);
    let held_out = text.index(378_000..378_000 + 512 * (CONTEXT as i64 + 1));
    let held_out = held_out.reshape([16, 32, CONTEXT as i64 + 1]);

    let [init_key, key] = random::split(&random::key(0));
    let (tx, mut training) = begin(&init_key, vocabulary)?;
    println!("parameters: {}", training.params.size());
    let checkpoints = CheckpointManager::new_with(DIRECTORY, CheckpointManagerOptions::new().max_to_keep(2))?;
    if let Some(step) = checkpoints.latest_step()? {
        training = checkpoints.restore(step, &training)?;
        eprintln!("goes on after step {step}");
    }

    let train_step = jit(move |training: Training, text: &Array| step(&tx, training, &key, text, vocabulary));
    let evaluate = jit(move |params: &Params, batches: &Array| -> Result<Array> {
        let losses = lax::map(
            |windows: Array| nn::apply(params, Mode::eval(), |cx| loss(cx, &windows, vocabulary)),
            batches.clone(),
        )?;
        Ok(losses.mean(..))
    });
    let first = training.steps.item::<u64>()?;
    let mut progress = Progress::new(until.saturating_sub(first));
    let mut started = None;
    for n in first + 1..=until {
        training = train_step(training, &train)?;
        progress.step(&())?;
        if n % EVERY == 0 {
            let evaluation = evaluate(&training.params, &held_out)?;
            let value = evaluation.item::<f32>()?;
            progress.suspend(|| eprintln!("step {n}: {value:.3} nats a character of held-out text"));
            training.evaluations = training.evaluations.at((n / EVERY - 1) as i64).set(evaluation);
        }
        if n % EVERY == 0 || n == until {
            checkpoints.save(n, &training)?;
        }
        if n == first + 1 {
            training.losses.block_until_ready()?;
            started = Some(Instant::now());
        }
    }
    let losses = training.losses.to_vec::<f32>()?;
    if let Some(started) = started.filter(|_| until > first + 1) {
        let ms = started.elapsed().as_secs_f64() * 1e3 / (until - first - 1) as f64;
        eprintln!("{ms:.1} ms a step");
    }
    drop(progress);
    checkpoints.close()?;
    losses.iter().take(8).zip(1..).for_each(|(loss, step)| println!("loss of step {step}: {loss}"));
    if until < STEPS {
        return Ok(());
    }

    let evaluations = training.evaluations.to_vec::<f32>()?;
    let picture = Path::new(DIRECTORY).join("losses.png");
    let every = EVERY as i64;
    Figure::new("step", "nats a character")
        .points("training", jnp::arange(STEPS as i64) + 1, &training.losses)
        .line("held-out text", (jnp::arange((STEPS / EVERY) as i64) + 1) * every, &training.evaluations)
        .save(&picture)?;
    eprintln!("wrote {}", picture.display());
    let last = evaluations.last().copied().unwrap_or(f32::NAN);
    println!("less than 2.1 nats a character of held-out text: {}", last < 2.1);

    let prompt: Vec<i32> = "ROMEO:\n".bytes().map(|c| token(&characters, c)).collect();
    let written = write(&training.params, &prompt, vocabulary, 0.8, 10)?;
    eprintln!("{}", written.iter().map(|&i| char::from(characters[i as usize])).collect::<String>());
    Ok(())
}
