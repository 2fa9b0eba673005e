"""What each kind of event does to the state of a run. `hookline.core.state.evolve` puts it together."""
