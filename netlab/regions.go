package netlab

import (
	"slices"
	"strings"
	"time"
)

// regionNames are the places there are delays between.
var regionNames = []string{"dallas", "toronto", "washington", "frankfurt", "london", "madrid", "osaka", "sydney", "tokyo", "saopaulo"}

// regionTrips are round trips between them in milliseconds: row and column as
// in regionNames, above the diagonal.
//
// They are the averages from 27 July to 25 August 2024 between the data centres
// of one provider, as it publishes them: IBM Cloud Docs, VPC, "Network latency
// dashboards", inter-region latency (github.com/ibm-cloud-docs/vpc,
// _include-segments/network-latency.md). The provider calls them latencies; that
// they are there and back shows from the speed of light: in glass it is 200 km a
// millisecond, so from Dallas to Tokyo, 10 300 km, one way takes more than 51 ms,
// and there and back more than 103.
var regionTrips = [][]int{
	/* dallas */ {0, 34, 31, 123, 113, 119, 150, 186, 143, 146},
	/* toronto */ {0, 0, 19, 93, 82, 108, 168, 215, 162, 129},
	/* washington */ {0, 0, 0, 91, 75, 87, 172, 214, 164, 118},
	/* frankfurt */ {0, 0, 0, 0, 13, 29, 232, 250, 233, 198},
	/* london */ {0, 0, 0, 0, 0, 27, 244, 261, 243, 188},
	/* madrid */ {0, 0, 0, 0, 0, 0, 257, 275, 258, 209},
	/* osaka */ {0, 0, 0, 0, 0, 0, 0, 122, 9, 293},
	/* sydney */ {0, 0, 0, 0, 0, 0, 0, 0, 115, 328},
	/* tokyo */ {0, 0, 0, 0, 0, 0, 0, 0, 0, 284},
	/* saopaulo */ {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
}

// regionSource is where the numbers are from, in a line.
const regionSource = "IBM Cloud Docs, VPC network latency dashboards, averages of 27 July to 25 August 2024"

// zoneTrip is a round trip between two data centres of one region: Dallas 1 and
// Dallas 2, 2.03 ms in the same source.
const zoneTrip = 2 * time.Millisecond

// Regions are the names of all regions.
func Regions() []string { return slices.Clone(regionNames) }

// RegionTrip is a round trip between two regions, or within one. Both must be
// among Regions.
func RegionTrip(a, b string) time.Duration {
	i, j := slices.Index(regionNames, a), slices.Index(regionNames, b)
	if i == j {
		return zoneTrip
	}
	return time.Duration(regionTrips[min(i, j)][max(i, j)]) * time.Millisecond
}

// parseRegions reads names of regions with commas between them.
func parseRegions(text string) ([]string, error) {
	var out []string
	for _, word := range strings.Split(text, ",") {
		name := strings.ToLower(strings.TrimSpace(word))
		if !slices.Contains(regionNames, name) {
			return nil, Errorf(ExitUsage, "there is no region %s", quote(word)).WithHint("regions: %s", strings.Join(regionNames, " "))
		}
		out = append(out, name)
	}
	return out, nil
}

// longestTrip is the longest round trip between any two of these regions.
func longestTrip(regions []string) time.Duration {
	longest := zoneTrip
	for i, a := range regions {
		for _, b := range regions[i+1:] {
			longest = max(longest, RegionTrip(a, b))
		}
	}
	return longest
}

// Region is where a node is: the regions are given out in turn.
func (c *Config) Region(node int) string {
	if len(c.Regions) == 0 {
		return ""
	}
	return c.Regions[(node-1)%len(c.Regions)]
}
