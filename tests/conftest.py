"""What holds for every test: properties are judged by their answers, never by how long a busy machine takes for one."""

import hypothesis

hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")
