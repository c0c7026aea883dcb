//! Optimisers of `optax.contrib` by the names that the fixture has.

use raxla::optim::*;
use raxla::prelude::*;
use raxla::random;

use super::cases::{Make, is_matrix, rate};

pub const CONTRIB: &[Make<GradientTransformation>] = &[
    ("acprop", || acprop(0.1)),
    ("acprop decay", || {
        let options = AcpropOptions::new().b1(0.8).b2(0.95).eps(1e-3).eps_root(1e-4);
        acprop_with(rate(), options.weight_decay(0.1).mask(is_matrix))
    }),
    ("ademamix", || ademamix(0.1)),
    ("ademamix schedules", || {
        let options = AdemamixOptions::new().b1(0.8).b2(0.95).eps(1e-3).eps_root(1e-4);
        let options = options.b3(|step: &Array| step * 0.01 + 0.9).alpha(|step: &Array| step * 0.5);
        ademamix_with(rate(), options.weight_decay(0.1).mask(is_matrix))
    }),
    ("scale_by_ademamix", scale_by_ademamix),
    ("simplified_ademamix", || simplified_ademamix(0.1)),
    ("simplified_ademamix options", || {
        let options = SimplifiedAdemamixOptions::new().b1(0.9).b2(0.9).eps(1e-3).eps_root(1e-4);
        let options = options.alpha(|step: &Array| step * 0.5).weight_decay(0.1).mask(is_matrix);
        simplified_ademamix_with(rate(), options)
    }),
    ("adopt", || adopt(0.1)),
    ("adopt clip", || {
        let options = AdoptOptions::new().b1(0.8).b2(0.9).eps(1e-3).nesterov(true);
        adopt_with(rate(), options.clip_value_fn(|step: &Array| step * 0.1 + 1.0))
    }),
    ("adopt unclipped", || adopt_with(0.1, AdoptOptions::new().eps(0.5).nesterov(true).use_clipping(false))),
    ("adopt mu_dtype", || adopt_with(0.1, AdoptOptions::new().mu_dtype(DType::BF16))),
    ("madgrad", || madgrad(0.1)),
    ("madgrad decay", || {
        madgrad_with(rate(), MadgradOptions::new().momentum(0.5).weight_decay(0.1).eps(1e-3))
    }),
    ("cocob", cocob),
    ("cocob decay", || {
        let options = CocobOptions::new().learning_rate(rate()).alpha(10.0).eps(1e-3);
        cocob_with(options.weight_decay(0.1).mask(is_matrix))
    }),
    ("dadapt_adamw", dadapt_adamw),
    ("dadapt_adamw options", || {
        let options = DadaptAdamWOptions::new().learning_rate(falling()).betas((0.8, 0.9)).eps(1e-3);
        dadapt_adamw_with(options.estim_lr0(0.01).weight_decay(0.1))
    }),
    ("prodigy", prodigy),
    ("prodigy options", || {
        let options = ProdigyOptions::new().learning_rate(falling()).betas((0.8, 0.9)).beta3(0.7).eps(1e-3);
        prodigy_with(options.estim_lr0(0.1).estim_lr_coef(2.0).weight_decay(0.1))
    }),
    ("prodigy safeguard", || {
        prodigy_with(ProdigyOptions::new().learning_rate(rate()).estim_lr0(0.1).safeguard_warmup(true))
    }),
    ("dog", dog),
    ("dog distance", || {
        let options = DogOptions::new().learning_rate(rate()).init_step(DogInitStep::Distance(0.1)).eps(1e-3);
        dog_with(options.weight_decay(0.1).mask(is_matrix))
    }),
    ("dog learning_rate", || dog_with(DogOptions::new().init_step(DogInitStep::LearningRate(0.1)))),
    ("dowg", dowg),
    ("dowg options", || {
        let options = DowgOptions::new().learning_rate(rate()).init_estim_sq_dist(0.1).eps(1e-3);
        dowg_with(options.weight_decay(0.1).mask(is_matrix))
    }),
    ("mechanize", || mechanize_with(sgd(1.0), MechanizeOptions::new().s_init(0.1))),
    ("mechanize adam", || {
        let options = MechanizeOptions::new().weight_decay(0.1).eps(1e-3).s_init(1.0).num_betas(3);
        mechanize_with(adam(rate()), options)
    }),
    ("momo", momo),
    ("momo options", || {
        let options = MomoOptions::new().learning_rate(rate()).beta(0.5).lower_bound(-1.0);
        momo_with(options.weight_decay(0.1).adapt_lower_bound(true))
    }),
    ("momo bound", || {
        momo_with(MomoOptions::new().learning_rate(0.5).lower_bound(-3.0).adapt_lower_bound(true))
    }),
    ("momo_adam", momo_adam),
    ("momo_adam options", || {
        let options = MomoAdamOptions::new().learning_rate(rate()).b1(0.7).b2(0.9).eps(1e-3);
        momo_adam_with(options.lower_bound(-1.0).weight_decay(0.1).adapt_lower_bound(true))
    }),
    ("momo_adam bound", || {
        momo_adam_with(MomoAdamOptions::new().learning_rate(0.5).lower_bound(-3.0).adapt_lower_bound(true))
    }),
    ("sophia", || sophia(0.1)),
    ("sophia options", || {
        let estimator =
            hutchinson_estimator_diag_hessian_with(HutchinsonOptions::new().random_seed(random::key(3)));
        let options = SophiaOptions::new().b1(0.8).b2(0.9).eps(1e-3).gamma(0.5).clip_threshold(Some(2.0));
        let options = options.weight_decay(0.1).weight_decay_mask(is_matrix);
        sophia_with(rate(), options.update_interval(3).hessian_diagonal_fn(estimator))
    }),
    ("sophia unclipped", || {
        let options = SophiaOptions::new().eps(1.0).gamma(0.5).clip_threshold(None).update_interval(2);
        sophia_with(0.1, options)
    }),
    ("galore", || galore_with(0.1, GaloreOptions::new().rank(2))),
    ("galore options", || {
        let options = GaloreOptions::new().rank(1).update_proj_gap(3).scale(0.5);
        let options = options.base_optimizer(scale_by_rms());
        galore_with(rate(), options.weight_decay(0.1).mask(is_matrix))
    }),
    ("scale_by_galore", scale_by_galore),
    ("hutchinson", || {
        let options = HutchinsonOptions::new().random_seed(random::key(5));
        chain((hutchinson_estimator_diag_hessian_with(options), scale(-0.01)))
    }),
    ("split_real_and_imaginary", || split_real_and_imaginary(adam(0.1))),
    ("split_real_and_imaginary prodigy", || {
        split_real_and_imaginary(prodigy_with(ProdigyOptions::new().estim_lr0(0.1)))
    }),
];

fn falling() -> Schedule {
    linear_schedule(1.0, 0.5, 8)
}

/// Those of gradients of examples.
pub const PRIVATE: &[Make<GradientTransformation>] = &[
    ("differentially_private_aggregate", || differentially_private_aggregate(0.5, 0.3, &random::key(3))),
    ("dpsgd", || dpsgd(0.1, 1.0, 0.1, &random::key(4))),
    ("dpsgd momentum", || {
        let options = DpsgdOptions::new().momentum(0.9).nesterov(true);
        dpsgd_with(rate(), 10.0, 0.1, &random::key(5), options)
    }),
];

/// Those that minimise a function, each at a rate that suits it.
pub const DESCENDING: &[Make<GradientTransformation>] = &[
    ("acprop", || acprop(0.01)),
    ("ademamix", || ademamix(0.1)),
    ("simplified_ademamix", || simplified_ademamix_with(0.02, SimplifiedAdemamixOptions::new().b1(0.9))),
    ("adopt", || adopt(0.1)),
    ("madgrad", || madgrad(0.1)),
    ("cocob", cocob),
    ("dadapt_adamw", dadapt_adamw),
    ("prodigy", prodigy),
    ("dog", dog),
    ("dowg", dowg),
    ("mechanize", || mechanize(sgd(1.0))),
    ("mechanize adam", || mechanize(adam(0.1))),
    ("momo", momo),
    ("momo_adam", || momo_adam_with(MomoAdamOptions::new().learning_rate(0.1))),
    ("sophia", || sophia(0.1)),
    ("split_real_and_imaginary", || split_real_and_imaginary(adam(0.1))),
];

/// Those of complex parameters, in which real and imaginary parts are equals.
pub const COMPLEX: &[Make<GradientTransformation>] = &[
    ("acprop", || acprop(0.01)),
    ("ademamix", || ademamix(0.1)),
    ("simplified_ademamix", || simplified_ademamix_with(0.02, SimplifiedAdemamixOptions::new().b1(0.9))),
    ("adopt", || adopt_with(0.1, AdoptOptions::new().use_clipping(false))),
    ("dadapt_adamw", dadapt_adamw),
    ("prodigy", prodigy),
    ("dog", dog),
    ("dowg", dowg),
    ("mechanize", || mechanize(sgd(1.0))),
    ("momo", momo),
    ("momo_adam", || momo_adam_with(MomoAdamOptions::new().learning_rate(0.1))),
    ("split_real_and_imaginary cocob", || split_real_and_imaginary(cocob())),
    ("split_real_and_imaginary madgrad", || split_real_and_imaginary(madgrad(0.1))),
    ("split_real_and_imaginary sophia", || split_real_and_imaginary(sophia(0.1))),
    ("split_real_and_imaginary sam", || {
        let adversary = chain((normalize(), sgd(exponential_decay(0.05, 20, 0.5))));
        split_real_and_imaginary(sam_with(sgd(0.1), adversary, SamOptions::new().opaque_mode(true)))
    }),
];
