"""Training of the learned methods: data, objectives, loops."""
