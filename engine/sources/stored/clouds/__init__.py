"""How the object stores of the clouds are reached: who we are, where they are, and what their refusals mean."""
