"""Complete small trainings on real data, each with a `jd.Workload` to audit."""
