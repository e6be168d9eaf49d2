"""The few colours of the course, so that figures and widgets agree."""

# A heat map is drawn in cividis: ordered in lightness, and read alike by most colour-blind readers.
HEAT = "cividis"

# The one accent, for ground truth. Over cividis on any grey, at any opacity, cyan stays 13 or more CIEDE2000 units away
# for normal, protan, deutan and tritan vision alike; magenta, vermilion, red and orange fall to 5 or less for some.
TRUTH = "#00e5ff"

# A mask is outlined in white. Outlines carry a dark casing, which parts them from bright bone and from yellow heat.
MASK = "#ffffff"
CASING = "#10141a"

# Charts: dark ink on a white card. For series the Okabe-Ito colours; then wine and olive of Paul Tol's "muted" scheme,
# as nine representations stand side by side.
INK = "#222832"
MUTED_INK = "#5a6470"
PAPER = "#ffffff"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d", "#882255", "#999933")
