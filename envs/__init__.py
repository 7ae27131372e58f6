"""The reading environment. Importing this makes `gymnasium.make("overread/Reading-v0")` known."""

import gymnasium

gymnasium.register("overread/Reading-v0", entry_point="envs.make:reading")
