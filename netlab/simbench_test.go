package netlab

import (
	"testing"
	"time"
)

// BenchmarkSimLab is what a simulated lab makes of a second of lab time, with all
// that a lab has to do beside its world.
func BenchmarkSimLab(b *testing.B) {
	for _, c := range []struct {
		name  string
		rate  float64
		chaos bool
	}{{"idle", 0, false}, {"load", 1000, false}} {
		b.Run(c.name, func(b *testing.B) {
			config, err := Profile(ProfileLAN)
			if err != nil {
				b.Fatal(err)
			}
			config.Nodes, config.Seed = 5, 1
			s, err := NewSimLab(config, SimOptions{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Wait(b.Context(), Wait{Cond: "leader != 0", Timeout: time.Minute}); err != nil {
				b.Fatal(err)
			}
			if c.rate > 0 {
				if _, err := s.Do(b.Context(), Op{Verb: "load", Rate: c.rate}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Sleep(b.Context(), time.Second); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "virtual/real")
		})
	}
}
