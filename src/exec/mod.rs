//! Execution on nodes: the executor trait and its ssh, local and fake forms.
