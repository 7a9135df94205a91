package explore

import "testing"

// BenchmarkSeeds is what one seed costs, all that is drawn for it included.
func BenchmarkSeeds(b *testing.B) {
	b.ReportAllocs()
	seed := uint64(0)
	for b.Loop() {
		seed++
		report, err := (&Search{From: seed, To: seed, Make: InMemory}).Run(b.Context())
		if err != nil || report.Found != nil {
			b.Fatal(report, err)
		}
	}
}
