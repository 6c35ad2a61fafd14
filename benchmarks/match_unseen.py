"""As `match_expected`: differences that no test of the project covers, with the words that were expected beforehand."""

from match_expected import against

FILE = "unseen"
UNSEEN = (
    against(FILE, "both", "scales_swapped", "both_model", "guide", "scales of x and y swapped",
            "log p(x) weighs 1.66", "log p(y) weighs 0.6", data="labelled"),
    against(FILE, "right", "tempered", "model", "guide", "temperature 0.7 in the decoder", "temperature", "log p(x)"),
    against(FILE, "right", "weight_of_each_latent", "model", "guide", "KL weight 0.5 and 2, by latent",
            "KL(z[0]) weighs 0.5 times", "KL(z[1]) weighs 2 times"),
    against(FILE, "positive", "prior_without_jacobian", "positive_model", "positive_guide",
            "log-normal prior without its Jacobian", "log determinant of p(z)", "absent"),
    against(FILE, "right", "narrow_prior", "model", "guide", "prior of scale 0.5 in the loss", "prior", "0.5"),
    against(FILE, "right", "counted_twice", "model", "guide", "x counted twice", "log p(x) weighs 2 times"),
    against(FILE, "part", "likelihood_of_the_batch_alone", "part_model", "part_guide", "N / B missing for x",
            "log p(x) lacks the scale size / batch"),
    against(FILE, "fixed", "spread_in_float32", "fixed_model", "guide", "spread 0.1 of x in float32",
            "log p(x) weighs 0.9999999", data="real"),
    against(FILE, "both", "cut_at_the_label", "both_model", "guide", "z detached for y alone",
            "the latents are detached in log p(y)", data="labelled"),
    against(FILE, "heads", "mean_of_log_q_cut", "model", "heads_guide", "mean detached in log q",
            "log q(z)", "detached", "first_head"),
    against(FILE, "heads", "heads_swapped", "model", "heads_guide", "mean and log variance swapped", "q(z)"),
    against(FILE, "right", "log_var_read_as_log_sigma", "model", "guide", "log variance read as log sigma",
            "log sigma^2 of z", "read as log sigma"),
)  # fmt: skip
