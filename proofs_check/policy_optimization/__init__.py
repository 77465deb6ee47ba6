"""Policy gradients, mirror descent and bilevel alignment: claims about policy optimisation."""
