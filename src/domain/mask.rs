//! Masking: secrets are cut out of output before it is stored, over chunk borders and in their usual encodings.
