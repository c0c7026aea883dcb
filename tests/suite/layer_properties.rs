//! Layers of `nn` beside what Flax has of them: named axes, caches, positions, pools, loops; and what goes wrong with them.

use raxla::nn::{self, *};
use raxla::prelude::*;
use raxla::{lax, numpy as jnp, random};

use crate::layers::differs;

fn key() -> random::Key {
    random::key(0)
}

fn numbers(shape: &[usize]) -> Array {
    random::normal(&random::key(7), shape)
}

#[test]
fn batch_norm_takes_its_statistics_over_named_axes_too() {
    let x = numbers(&[6, 3]);
    let over = |cx: &Scope, x: &Array| batch_norm_with(cx, x, BatchNormOptions::new().axis_name("devices"));
    let (params, state) = nn::init_with_state(&key(), |cx| over(cx, &x)).unwrap();
    let whole = nn::apply((&params, &state), Mode::train(), |cx| batch_norm(cx, &x)).unwrap();
    let part = |x: &Array| nn::apply((&params, &state), Mode::train(), |cx| over(cx, x));
    let parts = jnp::reshape(&x, (2, 3, 3));
    let (y, after) = vmap_with(part, VmapOptions::new().axis_name("devices"))(&parts).unwrap();
    assert_eq!(differs(&jnp::reshape(y, (6, 3)), &whole.0, 2e-6), None);
    for (path, x) in whole.1.iter() {
        assert_eq!(differs(&after.get(&path).unwrap().index(1), x, 2e-6), None, "{path}");
    }
}

#[test]
fn tokens_one_after_the_other_through_a_cache_give_what_all_at_once_give() {
    let x = numbers(&[2, 6, 8]);
    let options =
        || MultiHeadAttentionOptions::new().num_kv_heads(2).rotary(RotaryOptions::new()).normalize_qk(true);
    let all = |cx: &Scope, x: &Array| multi_head_attention_with(cx, x, 4, options().is_causal(true));
    let cached = move |cx: &Scope, x: &Array| multi_head_attention_with(cx, x, 4, options().cache_length(7));
    let params = nn::init(&key(), |cx| all(cx, &x)).unwrap();
    assert_eq!(params.get("key/kernel").unwrap().shape(), [8, 2, 2]);
    let expected = nn::apply(&params, Mode::eval(), |cx| all(cx, &x)).unwrap();
    let (_, mut state) = nn::init_with_state(&key(), |cx| cached(cx, &x)).unwrap();
    let step = jit(move |params: &Params, state: &State, x: &Array| {
        nn::apply((params, state), Mode::eval(), |cx| cached(cx, x))
    });
    // Three at once, then each by itself.
    let mut parts = Vec::new();
    for range in [0..3, 3..4, 4..5, 5..6] {
        let (y, after) = step(&params, &state, &lax::slice_in_dim(&x, range, 1)).unwrap();
        state = after;
        parts.push(y);
    }
    assert_eq!(differs(&jnp::concatenate(&parts, 1), &expected, 2e-6), None);
    assert_eq!(state.get("cache_index").unwrap().item::<i32>().unwrap(), 6);
}

#[test]
fn heads_of_keys_serve_several_of_queries() {
    let x = numbers(&[2, 3, 8]);
    let shared = MultiHeadAttentionOptions::new().num_kv_heads(2);
    let params = nn::init(&key(), |cx| multi_head_attention_with(cx, &x, 4, shared.clone())).unwrap();
    let y = nn::apply(&params, Mode::eval(), |cx| multi_head_attention_with(cx, &x, 4, shared)).unwrap();
    // The same with as many heads, each of which is there twice.
    let all = params.map_with_path(|path, x| match path {
        "key/kernel" | "value/kernel" => jnp::repeat(x, 2, 1),
        "key/bias" | "value/bias" => jnp::repeat(x, 2, 0),
        _ => x.clone(),
    });
    let z = nn::apply(&all, Mode::eval(), |cx| multi_head_attention(cx, &x, 4)).unwrap();
    assert_eq!(differs(&y, &z, 1e-6), None);
}

#[test]
fn products_of_rotary_embeddings_depend_on_distances_alone() {
    let (q, k) = (numbers(&[1, 1, 6]), numbers(&[2, 1, 6]).index(1).reshape((1, 1, 6)));
    for options in [RotaryOptions::new(), RotaryOptions::new().interleaved(true).base(100.0)] {
        let product = |i: i32, j: i32| {
            let [q, k] = [(&q, i), (&k, j)].map(|(x, i)| rotary_embedding_with(x, [i], options.clone()));
            jnp::sum(q * k, ..).item::<f32>().unwrap()
        };
        assert!((product(5, 2) - product(13, 10)).abs() < 1e-5);
        assert!((product(5, 2) - product(5, 3)).abs() > 1e-3);
    }
    let x = numbers(&[2, 3, 4]);
    let y = rotary_embedding(&x, [0, 1]);
    assert_eq!(y.index(0).to_vec::<f32>().unwrap(), x.index(0).to_vec::<f32>().unwrap());
    // Neighbours as pairs, or halves: the same in another order.
    let halves = |x: &Array| jnp::reshape(jnp::swapaxes(jnp::reshape(x, (2, 3, 2, 2)), -1, -2), (2, 3, 4));
    let turned = rotary_embedding_with(halves(&x), [0, 1], RotaryOptions::new().interleaved(true));
    assert_eq!(differs(&halves(&turned), &y, 1e-6), None);
}

#[test]
fn attention_drops_weights_only_while_training() {
    let x = numbers(&[2, 5, 8]);
    let f =
        |cx: &Scope| multi_head_attention_with(cx, &x, 2, MultiHeadAttentionOptions::new().dropout_rate(0.5));
    let params = nn::init(&key(), f).unwrap();
    let run = |mode: Mode| nn::apply(&params, mode, f);
    let plain = nn::apply(&params, Mode::eval(), |cx| multi_head_attention(cx, &x, 2)).unwrap();
    assert_eq!(differs(&run(Mode::eval()).unwrap(), &plain, 1e-6), None);
    assert!(differs(&run(Mode::train().key(&key())).unwrap(), &plain, 1e-2).is_some());
    fails(run(Mode::train()), "the model is random and the model was applied without a key");
}

#[test]
fn adaptive_pools_have_the_parts_of_pytorch() {
    let x = jnp::reshape(jnp::arange(7.0f32), (1, 7, 1));
    // AdaptiveAvgPool1d(3) of 0..7: 0..3, 2..5, 4..7.
    assert_eq!(adaptive_avg_pool(&x, 3).to_vec::<f32>().unwrap(), [1.0, 3.0, 5.0]);
    assert_eq!(adaptive_max_pool(&x, 3).to_vec::<f32>().unwrap(), [2.0, 4.0, 6.0]);
    assert_eq!(adaptive_avg_pool(&x, 9).shape(), [1, 9, 1]);
    let images = numbers(&[2, 4, 6, 3]);
    let pooled = avg_pool_with(&images, (2, 2), AvgPoolOptions::new().strides(2));
    assert_eq!(differs(&adaptive_avg_pool(&images, (2, 3)), &pooled, 1e-6), None);
    let mean = jnp::mean(&images, (1, 2));
    assert_eq!(differs(&adaptive_avg_pool(&images, (1, 1)).reshape((2, 3)), &mean, 1e-6), None);
}

#[test]
fn norms_compute_16_bit_inputs_in_32_bits() {
    let x = numbers(&[4, 64]) + 100.0;
    let f = |cx: &Scope, x: &Array| {
        let x = cx.mode().to_compute(x);
        [layer_norm(&cx.at("a"), &x), rms_norm(&cx.at("b"), &x), group_norm(&cx.at("c"), &x, 4)]
    };
    let params = nn::init(&key(), |cx| f(cx, &x)).unwrap();
    let rounded = x.astype(DType::BF16).astype(DType::F32);
    let exact = nn::apply(&params, Mode::eval(), |cx| f(cx, &rounded)).unwrap();
    let mixed = nn::apply(&params, Mode::eval().policy(Policy::mixed(DType::BF16)), |cx| f(cx, &x)).unwrap();
    for (a, b) in mixed.iter().zip(&exact) {
        assert_eq!(differs(a, b, 4e-3), None);
    }
}

#[test]
fn normalised_weights_stand_in_loops_and_within_each_other() {
    let x = numbers(&[2, 4]);
    let block = |cx: &Scope, x: Array| {
        spectral_norm(cx, |cx| &x + weight_norm(&cx.at("mlp"), |cx| linear(&cx.at("fc"), &x, 4)))
    };
    let deep = |cx: &Scope| nn::repeat(&cx.at("blocks"), 3, x.clone(), block);
    let (params, state) = nn::init_with_state(&key(), deep).unwrap();
    assert_eq!(params.get("blocks/mlp/weight_norm/fc/kernel/scale").unwrap().shape(), [3, 4]);
    assert_eq!(state.get("blocks/spectral_norm/mlp/fc/kernel/u").unwrap().shape(), [3, 1, 4]);
    let (_, after) = nn::apply((&params, &state), Mode::train(), deep).unwrap();
    let sigma = |state: &State| {
        state.get("blocks/spectral_norm/mlp/fc/kernel/sigma").unwrap().to_vec::<f32>().unwrap()
    };
    assert!(sigma(&state) == [1.0; 3] && sigma(&after).iter().all(|x| *x != 1.0 && *x > 0.0));
}

#[test]
fn layers_one_after_the_other_have_numbers_for_names() {
    let x = numbers(&[2, 4]);
    let mlp = |cx: &Scope| {
        nn::sequential(cx, &x, &[&|cx, x| linear(cx, x, 3), &|_, x| nn::relu(x), &|cx, x| linear(cx, x, 2)])
    };
    let params = nn::init(&key(), mlp).unwrap();
    let paths: Vec<String> = params.iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["layers_0/bias", "layers_0/kernel", "layers_2/bias", "layers_2/kernel"]);
}

/// What the message begins with, and that it names a line of this file.
fn fails<T: std::fmt::Debug>(result: Result<T>, message: &str) {
    let e = result.unwrap_err();
    assert!(e.message().starts_with(message), "{}", e.message());
    assert!(e.location().is_some_and(|loc| loc.file().ends_with("layer_properties.rs")), "{e:?}");
}

#[test]
fn mistakes_with_layers_name_the_layer_and_the_line() {
    let init = |layer: &(dyn Fn(&Scope, &Array) -> Array + Send + Sync), shape: &[usize]| {
        nn::init_with_state(&key(), |cx| layer(cx, &jnp::zeros(shape)))
    };
    let conv_of = |options: ConvLayerOptions| {
        init(&move |cx, x| conv_with(cx, x, 4, (3, 3), options.clone()), &[1, 5, 5, 3])
    };
    let o = ConvLayerOptions::new;
    fails(
        init(&|cx, x| conv(cx, x, 4, (3, 3)), &[5, 3]),
        "conv: the input has 2 spatial axes and one of features, got f32[5,3]",
    );
    fails(
        conv_of(o().strides((1, 2, 3))),
        "conv: strides has one number or one for each of 2 spatial axes, got [1, 2, 3]",
    );
    fails(
        conv_of(o().padding([(1, 1)])),
        "conv: padding has a pair for each of 2 spatial axes, got [(1, 1)]",
    );
    fails(
        conv_of(o().feature_group_count(2)),
        "conv: feature_group_count divides the features of the input, got 2 and 3",
    );
    fails(
        conv_of(o().padding(ConvPadding::Causal)),
        "conv: causal padding is of one axis, and the kernel has 2",
    );
    fails(
        conv_of(o().mask(jnp::ones([3, 3]))),
        "conv: mask has the kernel's shape, got f32[3,3] and f32[3,3,3,4]",
    );
    let causal = ConvTransposeLayerOptions::new().padding(ConvPadding::Causal);
    fails(
        init(&move |cx, x| conv_transpose_with(cx, x, 4, 3, causal.clone()), &[1, 5, 3]),
        "conv_transpose: padding is zeros or circular, got Causal",
    );
    fails(
        init(&|cx, x| group_norm(cx, x, 32), &[2, 12]),
        "group_norm: the number of groups divides that of features, got 32 and 12",
    );
    fails(
        init(&|cx, x| instance_norm_with(cx, x, InstanceNormOptions::new().feature_axes(0)), &[2, 12]),
        "instance_norm: the first axis numbers examples, it is none of features",
    );
    fails(
        init(&|cx, x| multi_head_attention(cx, x, 3), &[2, 5, 16]),
        "multi_head_attention: 3 heads do not divide 16 features",
    );
    let shared = MultiHeadAttentionOptions::new().num_kv_heads(3);
    fails(
        init(&move |cx, x| multi_head_attention_with(cx, x, 4, shared.clone()), &[2, 5, 16]),
        "multi_head_attention: 3 heads of keys do not divide 4 heads",
    );
    let short = MultiHeadAttentionOptions::new().cache_length(3);
    fails(
        init(&move |cx, x| multi_head_attention_with(cx, x, 4, short.clone()), &[2, 5, 16]),
        "multi_head_attention: a cache of 3 positions cannot take the keys f32[2,5,4,4]",
    );
    fails(
        raxla::try_(|| rotary_embedding(jnp::zeros([2, 1, 3]), [0, 1])),
        "rotary_embedding: x is [.., t, heads, d] with an even d, got f32[2,1,3]",
    );
    fails(init(&|cx, x| embed(cx, x, 5, 2), &[3]), "embed: the input is integers, got f32[3]");
    fails(
        init(&|cx, x| rnn(cx, x, 4, gru_cell).1, &[3]),
        "rnn: the input has an axis of time and one of features",
    );
    let pictures = RnnOptions::new().num_feature_axes(3);
    fails(
        init(&move |cx, x| rnn_with(cx, x, 4, gru_cell, pictures.clone()).1, &[2, 5, 3]),
        "rnn: the input has an axis of time and one of features, and 2 of space, got f32[2,5,3] (num_feature_axes is 3)",
    );
    for sums in ["ab,bc", "ab->a", "ab,bc,cd->ad"] {
        fails(
            init(&move |cx, x| einsum(cx, x, (3, 4), sums), &[2, 3]),
            &format!(
                "einsum: einsum_str names the input, the kernel and the result, as \"ab,bc->ac\" does, got {sums:?}"
            ),
        );
    }
    let lengths = RnnOptions::new().seq_lengths([1, 2]);
    let ragged = |cx: &Scope, x: &Array| rnn_with(cx, x, 4, gru_cell, lengths.clone()).1;
    let x = jnp::zeros([3, 5, 2]);
    let (params, state) = nn::init_with_state(&key(), |cx| ragged(cx, &x)).unwrap();
    fails(
        nn::apply((&params, &state), Mode::eval(), |cx| ragged(cx, &x)),
        "rnn: seq_lengths are integers [3], one for each sequence, got i32[2]",
    );
    let strict = SpectralNormOptions::new().error_on_non_matrix(true);
    fails(
        init(&move |cx, x| spectral_norm_with(cx, |cx| conv(cx, x, 4, 3), strict.clone()), &[1, 5, 3]),
        "spectral_norm: spectral_norm/kernel is no matrix but f32[3,3,4]",
    );
    fails(
        nn::apply(&Params::default(), Mode::train(), |cx| batch_norm(&cx.at("norm"), &x)),
        "norm keeps state (mean), and the model was applied without: apply((&params, &state), ..)",
    );
    fails(
        raxla::try_(|| max_pool(jnp::zeros([3]), (2, 2))),
        "max_pool: the input has 2 spatial axes and one of",
    );
}
